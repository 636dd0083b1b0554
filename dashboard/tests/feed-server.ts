// The built page with a feed that a test writes: for documents that a real pooler sends on bad
// days only. Headers are those of the pooler, so that its policy holds here too.

import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Live } from "../src/document";

const DIST = join(import.meta.dirname, "../dist");
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const KINDS: Record<string, string> = { html: "text/html", js: "text/javascript", css: "text/css", svg: "image/svg+xml" };

export class FeedServer {
  private streams = new Set<ServerResponse>();
  private timer: NodeJS.Timeout | undefined;
  private make: (() => Live) | undefined;
  /** The token that is wanted, if any. */
  token: string | undefined;
  /** Times that figures were asked for of, the latest last. */
  windows: (string | null)[] = [];
  /** Streams that were opened so far. */
  opened = 0;

  private constructor(private readonly server: Server) {}

  static async start(): Promise<FeedServer> {
    const server = createServer();
    const feed = new FeedServer(server);
    server.on("request", (request, response) => feed.answer(request, response));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    feed.timer = setInterval(() => feed.tick(), 1_000);
    return feed;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/`;
  }

  /** Sends what this makes, at once and every second. */
  show(make: () => Live): void {
    this.make = make;
    this.tick();
  }

  /** Ends all streams, and refuses new ones until `show` is called. */
  cut(): void {
    this.make = undefined;
    for (const stream of this.streams) stream.destroy();
  }

  /** Leaves the streams open and says nothing more. */
  fallSilent(): void {
    clearInterval(this.timer);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private tick(): void {
    if (!this.make) return;
    const event = `data: ${JSON.stringify(this.make())}\n\n`;
    for (const stream of this.streams) stream.write(event);
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname: path, searchParams } = new URL(request.url ?? "/", this.url);
    if (path === "/api/v1/live/events") {
      this.windows.push(searchParams.get("window"));
      return this.stream(request, response);
    }
    const name = path === "/" ? "index.html" : path.slice(1);
    try {
      const body = readFileSync(join(DIST, name));
      response.setHeader("content-type", KINDS[name.split(".").pop() ?? ""] ?? "text/plain");
      response.setHeader("content-security-policy", POLICY);
      response.end(body);
    } catch {
      response.statusCode = 404;
      response.end();
    }
  }

  private stream(request: IncomingMessage, response: ServerResponse): void {
    if (this.token && request.headers.authorization !== `Bearer ${this.token}`) {
      response.statusCode = 401;
      response.end();
      return;
    }
    if (!this.make) {
      request.socket.destroy();
      return;
    }
    this.opened += 1;
    this.streams.add(response);
    response.on("close", () => this.streams.delete(response));
    response.setHeader("content-type", "text/event-stream");
    response.write(`data: ${JSON.stringify(this.make())}\n\n`);
  }
}
