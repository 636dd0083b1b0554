// The way to the pooler: server-sent events, read with fetch because EventSource cannot send a
// token. Comes back by itself after every end.

import type { Live, Window } from "./document";

export type Connection =
  | { state: "connecting" }
  | { state: "live" }
  /** Nothing came for a while; it is tried again. */
  | { state: "lost"; since: number; reason: string }
  /** The pooler wants a token, or another one. */
  | { state: "token"; refused: boolean }
  /** The pooler shows this to nobody; its reason. */
  | { state: "refused"; reason: string };

/** Documents come once per second; this long without one and the line is taken for dead. */
const SILENCE_MAX_MS = 5_000;
const RETRY_MS = 1_000;
/** A pooler that has it switched off will not change its mind soon. */
const REFUSED_RETRY_MS = 10_000;
/** A page that nobody sees gives its stream back after this. */
const HIDDEN_MAX_MS = 60_000;

const TOKEN_KEY = "pgweir-token";

export interface Listener {
  live(document: Live): void;
  connection(connection: Connection): void;
}

export class Feed {
  private abort: AbortController | undefined;
  private wake: (() => void) | undefined;
  /** The stream was ended to ask for another one. */
  private asksAnew = false;
  private window: Window = "1min";
  private token = sessionStorage.getItem(TOKEN_KEY) ?? undefined;

  constructor(
    private readonly url: string,
    private readonly listener: Listener,
  ) {}

  /** Follows the pooler for as long as the page lives. */
  async follow(): Promise<never> {
    this.watchVisibility();
    let lostSince: number | undefined;
    for (;;) {
      let pause = RETRY_MS;
      try {
        const came = await this.stream(() => {
          lostSince = undefined;
        });
        pause = came.pause;
      } catch (error) {
        if (this.asksAnew) {
          this.asksAnew = false;
          continue;
        }
        if (document.hidden) {
          // We ended it ourselves.
          lostSince = undefined;
          await this.sleep(pause);
          continue;
        }
        lostSince ??= Date.now();
        const reason = error instanceof Error && error.name === "Silence"
          ? "The connection is open, but nothing comes."
          : "The connection failed.";
        this.listener.connection({ state: "lost", since: lostSince, reason });
      }
      await this.sleep(pause);
    }
  }

  /** Goes on with this token. */
  useToken(token: string): void {
    this.token = token;
    sessionStorage.setItem(TOKEN_KEY, token);
    this.wake?.();
  }

  /** Goes on with the figures of another time. */
  useWindow(window: Window): void {
    this.window = window;
    this.asksAnew = this.abort !== undefined && !this.abort.signal.aborted;
    this.abort?.abort();
    this.wake?.();
  }

  /** Reads one stream to its end; gives how long to wait before the next. */
  private async stream(came: () => void): Promise<{ pause: number }> {
    const abort = new AbortController();
    this.abort = abort;
    let silence = setTimeout(() => abort.abort(new Silence()), SILENCE_MAX_MS);
    try {
      const headers: Record<string, string> = { accept: "text/event-stream" };
      if (this.token) headers.authorization = `Bearer ${this.token}`;
      const response = await fetch(`${this.url}?window=${this.window}`, {
        headers,
        cache: "no-store",
        credentials: "same-origin",
        signal: abort.signal,
      });
      if (response.status === 401) {
        this.listener.connection({ state: "token", refused: this.token !== undefined });
        return { pause: Infinity };
      }
      if (response.status === 403 || response.status === 404) {
        this.listener.connection({ state: "refused", reason: await detail(response) });
        return { pause: REFUSED_RETRY_MS };
      }
      if (!response.ok || !response.body) throw new Error(await detail(response));
      for await (const data of events(response.body)) {
        clearTimeout(silence);
        silence = setTimeout(() => abort.abort(new Silence()), SILENCE_MAX_MS);
        came();
        this.listener.connection({ state: "live" });
        this.listener.live(JSON.parse(data) as Live);
      }
      return { pause: 0 };
    } finally {
      clearTimeout(silence);
      abort.abort();
    }
  }

  private watchVisibility(): void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    document.addEventListener("visibilitychange", () => {
      clearTimeout(timer);
      if (document.hidden) timer = setTimeout(() => this.abort?.abort(), HIDDEN_MAX_MS);
      else this.wake?.();
    });
  }

  /** Sleeps, until it is woken at the latest; longer while nobody sees the page. */
  private async sleep(ms: number): Promise<void> {
    const length = document.hidden ? Infinity : ms;
    await new Promise<void>((resolve) => {
      this.wake = resolve;
      if (Number.isFinite(length)) setTimeout(resolve, length);
    });
    this.wake = undefined;
  }
}

class Silence extends Error {
  override name = "Silence";
}

/** What a problem object says (RFC 9457). */
async function detail(response: Response): Promise<string> {
  try {
    const problem = (await response.json()) as { detail?: unknown };
    if (typeof problem.detail === "string") return problem.detail;
  } catch {
    // Not from the pooler itself, but from something in front of it.
  }
  return `The answer was ${response.status}.`;
}

/** The data of each event (HTML standard, section 9.2; the pooler sends one line of data each). */
export async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    rest += value;
    const parts = rest.split("\n\n");
    rest = parts.pop() ?? "";
    for (const part of parts) {
      if (part.startsWith("data: ")) yield part.slice("data: ".length);
    }
  }
}
