import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

export interface Column<Row> {
  name: string;
  /** Right-aligned figures. */
  numeric?: boolean;
  /** Takes what room is left. */
  wide?: boolean;
  show: (row: Row) => ComponentChildren;
  /** What the column is sorted by; without it, it is not. */
  sort?: (row: Row) => number;
}

interface Props<Row> {
  caption: string;
  columns: Column<Row>[];
  rows: Row[];
  rowKey: (row: Row, index: number) => string | number;
  /** The column that is sorted by at first, the largest first. */
  sortedBy?: string;
  /** Rows shown until somebody asks for all. */
  shown?: number;
  rowClass?: (row: Row) => string | undefined;
}

/**
 * A table that becomes a list of cards where it is narrow. The roles are written out because
 * browsers forget that it is a table once its rows are not laid out as one.
 */
export function Table<Row>(props: Props<Row>) {
  const { caption, columns, rows, rowKey, rowClass, shown = 8 } = props;
  const [sorted, sortBy] = useState(props.sortedBy);
  const [all, showAll] = useState(false);
  const measure = columns.find((column) => column.name === sorted)?.sort;
  const ordered = measure ? [...rows].sort((a, b) => measure(b) - measure(a)) : rows;
  const visible = all ? ordered : ordered.slice(0, shown);
  return (
    <>
      <table role="table">
        <caption class="unseen">{caption}</caption>
        <thead role="rowgroup">
          <tr role="row">
            {columns.map((column) => (
              <th
                key={column.name}
                role="columnheader"
                scope="col"
                class={classes(column)}
                aria-sort={column.sort && (sorted === column.name ? "descending" : "none")}
              >
                {column.sort ? (
                  <button type="button" class="sort" onClick={() => sortBy(column.name)}>
                    {column.name}
                  </button>
                ) : (
                  column.name
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {visible.map((row, index) => (
            <tr key={rowKey(row, index)} role="row" class={rowClass?.(row)}>
              {columns.map((column) => (
                <td key={column.name} role="cell" class={classes(column)} data-name={column.name}>
                  {column.show(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > shown && (
        <button type="button" class="quiet" onClick={() => showAll(!all)}>
          {all ? `Show the first ${shown}` : `Show all ${rows.length}`}
        </button>
      )}
    </>
  );
}

function classes<Row>(column: Column<Row>): string {
  return [column.numeric && "numeric", column.wide && "wide"].filter(Boolean).join(" ");
}
