import type { Live } from "../document";
import { count, plural } from "../format";
import { Nothing, Section } from "../section";

/** What the SQLSTATEs of the pooler's own errors mean, in a few words. */
const MEANINGS: Record<string, string> = {
  "08006": "a server went away under a client",
  "08P01": "not PostgreSQL’s protocol",
  "25P03": "idle in a transaction for too long",
  "25P04": "transaction took too long",
  "28000": "not allowed to log in",
  "28P01": "wrong password or user",
  "3D000": "no such database",
  "53300": "a limit or a queue is full",
  "57014": "query took too long",
  "57P01": "closed by the administrator",
  "57P03": "no server came free in time, or PostgreSQL is away",
  "57P05": "idle for too long",
};

/** pgweir itself: its workers, and the errors it has sent. */
export function Pooler({ live }: { live: Live }) {
  const errors = [...live.errors].sort((a, b) => b.count - a.count);
  return (
    <div class="pair">
      <Section title="Workers" note={plural(live.workers.length, "thread")}>
        <ul class="workers">
          {live.workers.map((worker, index) => (
            <li key={index}>
              <span>worker {index}</span>
              <span class="bar" aria-hidden="true">
                <i class={worker.busy > 0.9 ? "amber" : "blue"} style={{ width: `${Math.min(100, 100 * worker.busy)}%` }} />
              </span>
              <b>{Math.round(100 * worker.busy)} %</b>
              <small>{plural(worker.clients, "client")}</small>
            </li>
          ))}
        </ul>
      </Section>
      <Section title="Errors sent by pgweir" note="since the start">
        {errors.length === 0 ? (
          <Nothing>None.</Nothing>
        ) : (
          <ul class="sqlstates">
            {errors.map((error) => (
              <li key={error.sqlstate}>
                <code>{error.sqlstate}</code>
                <span>{MEANINGS[error.sqlstate] ?? "PostgreSQL’s, passed on at a login"}</span>
                <b>{count(error.count)}</b>
              </li>
            ))}
          </ul>
        )}
      </Section>
    </div>
  );
}
