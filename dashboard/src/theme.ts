// Light, dark, or as the system has it.

import { signal } from "@preact/signals";

export type Theme = "auto" | "light" | "dark";

const KEY = "pgweir-theme";
const THEMES: Theme[] = ["auto", "light", "dark"];

const stored = localStorage.getItem(KEY);
export const theme = signal<Theme>(THEMES.find((known) => known === stored) ?? "auto");

/** Counts changes of the colours, for what is drawn by hand. */
export const colours = signal(0);

export function applyTheme(): void {
  document.documentElement.dataset.theme = theme.value;
  colours.value += 1;
}

export function chooseTheme(chosen: Theme): void {
  theme.value = chosen;
  localStorage.setItem(KEY, chosen);
  applyTheme();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  colours.value += 1;
});

/** A colour of the style sheet, as a canvas wants it. */
export function colour(name: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const resolved = getComputedStyle(probe).color;
  probe.remove();
  return resolved;
}
