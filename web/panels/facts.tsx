/** A few numbers in large type: [name, value], and maybe what to compare it with. */
export function Facts({
  facts,
}: {
  readonly facts: readonly (readonly [name: string, value: string, note?: string])[];
}) {
  return (
    <dl class="ee-facts">
      {facts.map(([name, value, note]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            {value}
            {note && <small>{note}</small>}
          </dd>
        </div>
      ))}
    </dl>
  );
}
