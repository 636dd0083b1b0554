import { useEffect, useRef } from "preact/hooks";
import { helpOpen } from "./keys";

export function Help() {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (helpOpen.value && !dialog.current?.open) dialog.current?.showModal();
  }, [helpOpen.value]);
  return (
    <dialog ref={dialog} aria-labelledby="help-title" onClose={() => (helpOpen.value = false)}>
      <h2 id="help-title">How to read this page</h2>
      <p>
        It is drawn anew once per second. Counts, rates and times of pools and waits are those of the time that is chosen
        above, statements are counted since pgweir started, and the charts cover the last quarter of an hour. Details
        show more of a pool, a client or a statement.
      </p>
      <ul class="legend">
        <li><i class="cell active" /> a server that a client holds</li>
        <li><i class="cell idle" /> an open server that is free</li>
        <li><i class="cell opening" /> a server that is logging in</li>
        <li><i class="cell free" /> room for one more</li>
        <li><i class="cell reserve" /> room in the reserve</li>
        <li><i class="dot" /> a client that waits for a server</li>
      </ul>
      <dl class="keys">
        <dt><kbd>/</kbd></dt><dd>filter pools, statements and clients; <kbd>Esc</kbd> clears it</dd>
        <dt><kbd>h</kbd></dt><dd>hold the picture, and go on</dd>
        <dt><kbd>?</kbd></dt><dd>this help</dd>
      </dl>
      <form method="dialog">
        <button type="submit" onClick={(event) => { event.preventDefault(); dialog.current?.close(); }}>Close</button>
      </form>
    </dialog>
  );
}
