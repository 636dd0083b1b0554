import { alarms } from "./store";

/** Alarms shown; the rest is counted. */
const SHOWN_MAX = 5;

/** The sections of the page that an alarm leads to, by their names in the document. */
const LINKS: Record<string, string> = { holders: "Who holds the servers" };

/**
 * What somebody has to look at. The numbers in it change every second, which nobody wants to have
 * read out: a screen reader is told of alarms when they come and when the last has gone.
 */
export function Alarms() {
  const all = alarms.value;
  const shown = all.slice(0, SHOWN_MAX);
  const more = all.length - shown.length;
  document.title = all.length > 0 ? `(${all.length}) ${all[0]?.what ?? ""} – pgweir` : "pgweir";
  return (
    <>
      {shown.length > 0 && (
        <section class="alarms" aria-label="Alarms" data-testid="alarms">
          <ul>
            {shown.map((alarm) => (
              <li key={alarm.key} class={alarm.severity} data-alarm={alarm.key}>
                <strong>{alarm.what}</strong> <span>{alarm.next}</span>
                {alarm.section && LINKS[alarm.section] && <a href={`#${alarm.section}`}>{LINKS[alarm.section]}</a>}
              </li>
            ))}
            {more > 0 && <li class="more">and {more} more</li>}
          </ul>
        </section>
      )}
      <Announcement keys={shown.map((alarm) => alarm.key)} more={more} />
    </>
  );
}

function Announcement({ keys, more }: { keys: string[]; more: number }) {
  const rest = more > 0 ? `; and ${more} more` : "";
  return (
    <p class="unseen" role="status">
      {keys.length > 0 ? `Alarm: ${keys.join("; ")}${rest}` : ""}
    </p>
  );
}
