export interface TableData {
  /** The first one heads the rows. */
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Numbers in rows; scrolls sideways by itself where there is no room, by keyboard too. */
export function Table({ columns, rows, caption }: TableData & { readonly caption: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section class="ee-scroll" aria-label={caption} tabIndex={0}>
      <table class="ee-table">
        <caption class="ee-unseen">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th scope="col" key={column}>
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(([name, ...cells], row) => (
            <tr key={row}>
              <th scope="row">{name}</th>
              {cells.map((cell, i) => (
                <td key={columns[i + 1]}>{cell}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
