/** A statement of more characters may not fit into two lines, which is what is shown of it. */
const SHORT_MAX = 64;

/** A normalised statement, in one piece or to be opened. */
export function Sql({ text }: { text: string }) {
  const flat = text.replace(/\s+/g, " ").trim();
  if (flat.length <= SHORT_MAX) return <code class="sql">{flat}</code>;
  return (
    <details class="sql">
      <summary>
        <code>{flat}</code>
      </summary>
      <code>{text.trim()}</code>
    </details>
  );
}

/** Who it was: database and user, and the application where it says. */
export function Who(props: { database: string; user: string; applicationName?: string | undefined }) {
  return (
    <span class="who">
      {props.database}/{props.user}
      {props.applicationName && <small>{props.applicationName}</small>}
    </span>
  );
}
