import { useState } from "preact/hooks";
import type { Live } from "../document";
import { moment } from "../format";
import { Nothing, Section, Unknown } from "../section";
import { matches } from "../store";

const SHOWN_MAX = 8;

/** What happened, in sentences. */
export function Events({ live }: { live: Live }) {
  const [all, showAll] = useState(false);
  const fitting = live.events?.filter((event) => matches(event.severity, event.text));
  const shown = all ? fitting : fitting?.slice(0, SHOWN_MAX);
  return (
    <Section title="Events" note={live.events && "newest first"}>
      {!fitting || !shown ? (
        <Unknown what="events" />
      ) : fitting.length === 0 ? (
        <Nothing>{live.events?.length ? "No event fits the filter." : "Nothing has happened since pgweir started."}</Nothing>
      ) : (
        <ol class="events">
          {shown.map((event, index) => (
            <li key={`${event.at} ${event.text} ${index}`} class={event.severity}>
              <time dateTime={event.at}>{moment(event.at)}</time>
              <span class="mark">{event.severity === "info" ? "" : event.severity}</span>
              <span>{event.text}</span>
            </li>
          ))}
        </ol>
      )}
      {fitting && fitting.length > SHOWN_MAX && (
        <button type="button" class="quiet" onClick={() => showAll(!all)}>
          {all ? `Show the first ${SHOWN_MAX}` : `Show all ${fitting.length}`}
        </button>
      )}
    </Section>
  );
}
