import { useRef } from "preact/hooks";
import { connection, feed } from "./store";

/** What stands in the page's place until there is something to show. */
export function Gate() {
  const line = connection.value;
  switch (line.state) {
    case "token":
      return <Token refused={line.refused} />;
    case "refused":
      return (
        <main class="gate">
          <h2>pgweir does not show this here</h2>
          <p>{line.reason}</p>
        </main>
      );
    case "lost":
      return (
        <main class="gate">
          <h2>pgweir does not answer</h2>
          <p>{line.reason} Trying again every second.</p>
        </main>
      );
    case "connecting":
    case "live":
      return (
        <main class="gate">
          <p>Connecting to pgweir.</p>
        </main>
      );
  }
}

function Token({ refused }: { refused: boolean }) {
  const input = useRef<HTMLInputElement>(null);
  const submit = (event: Event) => {
    event.preventDefault();
    const token = input.current?.value.trim().replace(/^bearer\s+/i, "");
    if (token) feed.useToken(token);
  };
  return (
    <main class="gate">
      <h2>A token is needed</h2>
      <p>
        This pooler shows its figures to holders of a token that is signed with one of its keys (a JSON Web Token with an
        expiry). It is kept in this tab only, until the tab is closed.
      </p>
      <p>
        Where pgweir runs, <code>pgweir token /etc/pgweir.toml</code> prints one for twelve hours, signed with the secret of
        that configuration; <code>--admin</code> makes one that may cancel and end clients. Tokens for the keys of{" "}
        <code>http_jwks_file</code> come from whoever has the private keys.
      </p>
      <form onSubmit={submit}>
        <label for="token">Token</label>
        <input id="token" ref={input} type="password" autocomplete="off" autofocus required />
        <button type="submit">Show</button>
      </form>
      <p role="alert" class="refusal">
        {refused ? "That token was not accepted. It may have expired, or be for somebody else." : ""}
      </p>
    </main>
  );
}
