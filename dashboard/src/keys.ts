// Keys that work anywhere on the page, but not while something is typed.

import { signal } from "@preact/signals";
import { filter, toggleHold } from "./store";

export const FILTER_ID = "filter";
export const helpOpen = signal(false);

export function useKeys(): void {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target as HTMLElement | null;
    const input = document.getElementById(FILTER_ID) as HTMLInputElement | null;
    if (target === input && event.key === "Escape") {
      filter.value = "";
      input?.blur();
      return;
    }
    if (target?.closest("input, select, textarea, dialog")) return;
    if (event.key === "/") {
      event.preventDefault();
      input?.focus();
      input?.select();
    } else if (event.key === "h") {
      toggleHold();
    } else if (event.key === "?") {
      helpOpen.value = true;
    } else if (event.key === "Escape" && filter.value) {
      filter.value = "";
    }
  });
}
