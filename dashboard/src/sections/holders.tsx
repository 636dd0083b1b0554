import type { Live, LiveHolder } from "../document";
import { count, duration, plural } from "../format";
import { Nothing, Section, Unknown } from "../section";
import { More } from "../more";
import { Sql, Who } from "../sql";
import { matches } from "../store";
import { Table, type Column } from "../table";

export const COLUMNS: Column<LiveHolder>[] = [
  {
    name: "Client",
    show: (holder) => (
      <>
        <span class={holder.leak ? "tag error" : holder.state === "active" ? "tag" : "tag warning"}>
          {holder.state}
        </span>
        <small class="block"><Who {...holder} /></small>
        <More of={`client ${holder.client}`} chosen={{ kind: "client", client: holder.client }} />
        {holder.address && <small class="block">{holder.address}</small>}
      </>
    ),
  },
  { name: "For", numeric: true, show: (holder) => duration(holder.sinceMs), sort: (holder) => holder.sinceMs },
  {
    name: "Behind it",
    numeric: true,
    show: (holder) => (
      <>
        {holder.waitersBehind > 0 ? <b class="amber">{count(holder.waitersBehind)}</b> : "0"}
        {holder.lockWaiters ? <small class="block"><b class="amber">{count(holder.lockWaiters)} for its locks</b></small> : null}
      </>
    ),
    // Who holds locks holds up the others, in whichever pool they are waited for.
    sort: (holder) => holder.lockWaiters * 1e18 + holder.waitersBehind * 1e12 + holder.sinceMs,
  },
  {
    name: "Last statement",
    wide: true,
    show: (holder) => (
      <>
        {holder.lastText ? <Sql text={holder.lastText} /> : <span class="muted">none yet</span>}
        <small class="block">
          {[pinned(holder), holder.serverPid && `server process ${holder.serverPid}`]
            .filter(Boolean)
            .join(", ")}
        </small>
      </>
    ),
  },
];

/** What keeps the server with its client, for how long, and which statement did that if it was not the last one. */
function pinned({ pin, pinMs, pinText, lastText }: LiveHolder) {
  if (!pin) return null;
  const since = pinMs == null ? "" : ` for ${duration(pinMs)}`;
  const by = pinText && pinText !== lastText ? `, by ${pinText}` : "";
  return `pinned${since}: ${pin}${by}`;
}

/** Who has a server, since when, and how many wait behind: blockers and leaks. */
export function Holders({ live }: { live: Live }) {
  const all = live.holders;
  const fitting = all?.filter((holder) =>
    matches(holder.database, holder.user, holder.applicationName, holder.address, holder.state, holder.pin, holder.lastText),
  );
  const leaking = fitting?.filter((holder) => holder.leak).length ?? 0;
  const note = leaking > 0 ? `${plural(leaking, "probable leak")}` : all && "longest first";
  return (
    <Section id="holders" title="Who holds servers" note={note}>
      {!fitting ? (
        <Unknown what="who holds servers" />
      ) : fitting.length === 0 ? (
        <Nothing>{all?.length ? "No holder fits the filter." : "No client holds a server for long."}</Nothing>
      ) : (
        <Table
          caption="Clients that hold a server"
          columns={COLUMNS}
          rows={fitting}
          rowKey={(holder) => holder.client}
          sortedBy="Behind it"
          rowClass={(holder) => (holder.leak ? "leak" : undefined)}
        />
      )}
    </Section>
  );
}
