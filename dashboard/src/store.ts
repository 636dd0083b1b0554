// What the page knows, and what the person looking at it chose.

import { computed, effect, signal } from "@preact/signals";
import type { Alarm, Live, Window } from "./document";
import { Feed, type Connection } from "./feed";
import { span } from "./format";
import { remember } from "./trail";

/** An alarm stays this long after its reason has gone, so that it does not flicker. */
const LINGER_MS = 3_000;
/** A line may be cut this long before it is an alarm: a restart of the pooler takes a second. */
const LOST_MS = 3_000;

/** The newest document. */
const newest = signal<Live | undefined>(undefined);
/** The document that the picture is held at. */
const held = signal<Live | undefined>(undefined);
export const connection = signal<Connection>({ state: "connecting" });
export const filter = signal("");
/** Of which time the figures are. */
export const over = signal<Window>("1min");

export function chooseWindow(window: Window): void {
  over.value = window;
  feed.useWindow(window);
}

/** What somebody wants to see more of. */
export type Chosen =
  | { kind: "pool"; database: string; user: string }
  | { kind: "client"; client: string }
  | { kind: "statement"; database: string; user: string; fingerprint: string };
export const chosen = signal<Chosen | undefined>(undefined);

/** The clock of alarms and ages; ticks once per second. */
export const now = signal(Date.now());

/** The document that is shown. */
export const live = computed(() => held.value ?? newest.value);
export const isHeld = computed(() => held.value !== undefined);

export function toggleHold(): void {
  held.value = held.value ? undefined : newest.value;
}

/** Whether everything that was typed into the filter occurs in one of these texts. */
export function matches(...texts: (string | number | null | undefined)[]): boolean {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  const text = texts.filter((part) => part != null).join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}

function lostAlarm(seconds: number, reason: string): Alarm {
  const what = `No word from pgweir for ${span(seconds)}`;
  return {
    key: "lost",
    severity: "error",
    what,
    next: `${reason} What is shown below is old. Trying again.`,
    section: null,
    line: what,
  };
}

/** What the pooler is alarmed of, and what only this page can know: that it hears nothing of it. */
const current = computed<Alarm[]>(() => {
  const at = now.value;
  const line = connection.value;
  const sent = newest.value?.alarms ?? [];
  const isLost = line.state === "lost" && newest.value !== undefined && at - line.since >= LOST_MS;
  return isLost ? [lostAlarm((at - line.since) / 1000, line.reason), ...sent] : sent;
});

/** The alarms to show: what holds, and what held a moment ago; the worst first. */
export const alarms = signal<Alarm[]>([]);
const lastSeen = new Map<string, { alarm: Alarm; at: number }>();

effect(() => {
  const at = now.value;
  for (const alarm of current.value) lastSeen.set(alarm.key, { alarm, at });
  for (const [key, seen] of lastSeen) if (at - seen.at > LINGER_MS) lastSeen.delete(key);
  const shown = [...lastSeen.values()].map((seen) => seen.alarm);
  alarms.value = shown.sort((a, b) => rank(a) - rank(b));
});

function rank(alarm: Alarm): number {
  return alarm.severity === "error" ? 0 : 1;
}

const api = document.querySelector<HTMLMetaElement>('meta[name="pgweir-api"]')?.content ?? "";
const path = [api, "live/events"].filter(Boolean).join("/");

export const feed = new Feed(new URL(path, document.baseURI).href, {
  live(document) {
    now.value = Date.now();
    newest.value = document;
    remember(document);
  },
  connection(value) {
    connection.value = value;
  },
});

setInterval(() => {
  now.value = Date.now();
}, 1_000);
