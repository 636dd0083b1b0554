import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import type { HistoryColumns } from "../document";
import { ABSENT, count, duration, moment, rate } from "../format";
import { Nothing, Section } from "../section";
import { colour, colours } from "../theme";

const HEIGHT = 132;
/** What the time axis covers, in seconds, also while less is known. */
const SPAN = 15 * 60;

interface Series {
  name: string;
  values: (number | null)[];
  /** A colour of the style sheet. */
  colour: string;
  filled?: boolean;
}

interface ChartProps {
  title: string;
  seconds: number[];
  series: Series[];
  show: (value: number | null | undefined) => string;
  /** There are whole values only. */
  whole?: boolean;
}

/** The last quarter of an hour, of all pools. */
export function Charts({ history }: { history: HistoryColumns }) {
  const { seconds } = history;
  return (
    <Section title="The last 15 minutes" note="all pools, every 5 seconds">
      {seconds.length < 2 ? (
        <Nothing>The charts begin ten seconds after pgweir has started.</Nothing>
      ) : (
        <div class="charts">
          <Chart
            title="Transactions per second"
            seconds={seconds}
            series={[{ name: "transactions", values: history.transactionsPerSecond, colour: "--blue", filled: true }]}
            show={rate}
          />
          <Chart
            title="Wait for a server, p99"
            seconds={seconds}
            series={[{ name: "wait", values: history.waitP99Ms, colour: "--amber", filled: true }]}
            show={duration}
          />
          <Chart
            title="Query time, p99"
            seconds={seconds}
            series={[{ name: "query", values: history.queryP99Ms, colour: "--violet", filled: true }]}
            show={duration}
          />
          <Chart
            title="Servers in use, and waiters"
            seconds={seconds}
            series={[
              { name: "in use", values: history.active, colour: "--blue", filled: true },
              { name: "waiting", values: history.waiting, colour: "--amber" },
            ]}
            show={count}
            whole
          />
        </div>
      )}
    </Section>
  );
}

export function Chart({ title, seconds, series, show, whole = false }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [pointed, point] = useState<number | null>(null);
  const generation = colours.value;
  const data = [seconds, ...series.map((one) => one.values)] as uPlot.AlignedData;
  const newest = useRef(data);
  newest.current = data;

  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const drawn = new uPlot(
      options(element.clientWidth, series, show, whole, point),
      newest.current,
      element,
    );
    plot.current = drawn;
    const resized = new ResizeObserver(() => drawn.setSize({ width: element.clientWidth, height: HEIGHT }));
    resized.observe(element);
    return () => {
      resized.disconnect();
      drawn.destroy();
    };
    // The colours are read when it is made.
  }, [generation]);

  useEffect(() => {
    plot.current?.setData(data);
  });

  const index = pointed !== null && pointed < seconds.length ? pointed : seconds.length - 1;
  const at = pointed === null ? "now" : moment((seconds[index] ?? 0) * 1000);
  return (
    <figure class="chart">
      <figcaption>
        <span class="title">{title}</span>
        <span class="value">
          {series.map((one) => (
            <span key={one.name} class={`key ${one.colour.slice(2)}`}>
              {series.length > 1 && <em>{one.name}</em>} <b>{show(one.values[index])}</b>
            </span>
          ))}
          <small>{at}</small>
        </span>
      </figcaption>
      <div ref={place} class="plot" role="img" aria-label={spoken(title, series, show)} />
    </figure>
  );
}

function options(
  width: number,
  series: Series[],
  show: ChartProps["show"],
  whole: boolean,
  point: (index: number | null) => void,
): uPlot.Options {
  const muted = colour("--muted");
  const line = colour("--line");
  const font = `11px ${getComputedStyle(document.body).fontFamily}`;
  const axis = { stroke: muted, font, ticks: { show: false } };
  return {
    width,
    height: HEIGHT,
    // Half of a time of day, or the last one is cut.
    padding: [8, 18, 0, 0],
    legend: { show: false },
    cursor: {
      sync: { key: "charts" },
      drag: { x: false, y: false },
      y: false,
      points: { size: 6 },
    },
    scales: {
      x: { range: (_, min, max) => [Math.min(min, max - SPAN), max] },
      y: { range: (_, __, max) => [0, nice(max)] },
    },
    axes: [
      { ...axis, grid: { show: false }, size: 22, space: 70, values: (_, splits) => splits.map(hourAndMinute) },
      {
        ...axis,
        grid: { stroke: line, width: 1 },
        size: 56,
        gap: 6,
        splits: (plot) => {
          const max = plot.scales.y?.max ?? 1;
          // Half a client is no figure.
          return whole && max % 2 === 1 ? [0, max] : [0, max / 2, max];
        },
        values: (_, splits) => splits.map((value) => (value === 0 ? "0" : show(value))),
      },
    ],
    series: [
      {},
      ...series.map((one) => ({
        stroke: colour(one.colour),
        width: 1.5,
        points: { show: false },
        ...(one.filled ? { fill: colour(`${one.colour}-wash`) } : {}),
      })),
    ],
    hooks: {
      setCursor: [(plot) => point(plot.cursor.idx ?? null)],
    },
  };
}

/** The next round number, so that the axis has sensible ends: between 1 and 10 times a power of ten. */
function nice(max: number | null | undefined): number {
  if (!max || max <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(max));
  const step = [1, 2, 3, 4, 5, 6, 8, 10].find((candidate) => candidate * power >= max) ?? 10;
  return step * power;
}

function hourAndMinute(seconds: number): string {
  const date = new Date(seconds * 1000);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}`;
}

function spoken(title: string, series: Series[], show: ChartProps["show"]): string {
  const parts = series.map((one) => {
    const known = one.values.filter((value) => value !== null);
    if (known.length === 0) return `${one.name}: nothing measured`;
    const last = one.values[one.values.length - 1];
    const ends = `between ${show(Math.min(...known))} and ${show(Math.max(...known))}`;
    return `${one.name}: now ${last == null ? ABSENT : show(last)}, ${ends}`;
  });
  return `${title}. ${parts.join("; ")}.`;
}
