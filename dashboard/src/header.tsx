import { moment, span } from "./format";
import { FILTER_ID, helpOpen } from "./keys";
import type { Window } from "./document";
import { WINDOWS } from "./names";
import { chooseWindow, connection, filter, isHeld, live, over, toggleHold } from "./store";
import { chooseTheme, theme, type Theme } from "./theme";

// The pooler serves it under a name of its own choice, which only the page's head knows.
const icon = document.querySelector<HTMLLinkElement>("link[rel=icon]")?.href ?? "";

export function Header() {
  const shown = live.value;
  return (
    <header class="top">
      <div class="brand">
        <img src={icon} alt="" width="24" height="24" />
        <h1>pgweir</h1>
        <State />
        {shown && (
          <p class="facts">
            <span>{shown.version}</span>
            <span>up {span(shown.uptimeSeconds)}</span>
            <time dateTime={shown.timestamp} data-testid="clock">{moment(shown.timestamp)}</time>
          </p>
        )}
      </div>
      <div class="controls">
        {shown && <Controls />}
        <ThemeChoice />
        <button type="button" class="round" aria-label="Help and keys" onClick={() => (helpOpen.value = true)}>
          ?
        </button>
      </div>
    </header>
  );
}

/** What there is to choose once there is something to see. */
function Controls() {
  return (
    <>
      <label class="filter">
        <span class="unseen">Filter by database, user, application or statement</span>
        <input
          id={FILTER_ID}
          type="search"
          placeholder="Filter"
          autocomplete="off"
          spellcheck={false}
          value={filter.value}
          onInput={(event) => {
            filter.value = event.currentTarget.value;
          }}
        />
        <kbd aria-hidden="true">/</kbd>
      </label>
      <label class="window">
        <span class="unseen">Figures of</span>
        <select value={over.value} onChange={(event) => chooseWindow(event.currentTarget.value as Window)}>
          {WINDOWS.map(([window, name]) => (
            <option key={window} value={window}>{name}</option>
          ))}
        </select>
      </label>
      <button type="button" aria-pressed={isHeld.value} onClick={toggleHold}>
        {isHeld.value ? "Go on" : "Hold"}
      </button>
    </>
  );
}

/** In one word, whether all is well with the pooler itself. */
function State() {
  const document = live.value;
  const line = connection.value.state;
  let [kind, text] = ["unknown", "Connecting"];
  if (line === "lost") [kind, text] = ["error", "Connection lost"];
  else if (line === "token" || line === "refused") [kind, text] = ["unknown", "Locked"];
  else if (document?.draining) [kind, text] = ["warning", "Shutting down"];
  else if (document?.paused) [kind, text] = ["warning", "Paused"];
  else if (document && !document.ready) [kind, text] = ["error", "Not ready"];
  else if (isHeld.value) [kind, text] = ["warning", "Held"];
  else if (document) [kind, text] = ["good", "Ready"];
  return (
    <p class={`state ${kind}`} data-testid="state">
      {text}
    </p>
  );
}

function ThemeChoice() {
  return (
    <label class="theme">
      <span class="unseen">Colours</span>
      <select value={theme.value} onChange={(event) => chooseTheme(event.currentTarget.value as Theme)}>
        <option value="auto">Auto</option>
        <option value="light">Light</option>
        <option value="dark">Dark</option>
      </select>
    </label>
  );
}
