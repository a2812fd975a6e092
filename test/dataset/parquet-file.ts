/** A Parquet file as tests need it: one group of rows, plain pages without compression, a column {bytes, path} and one of classes. */

/** Thrift's compact protocol, as far as Parquet's metadata needs it. */
type Field = [id: number, value: Value];
type Value =
  | { readonly int: number; readonly wide?: boolean }
  | { readonly text: string }
  | { readonly struct: readonly Field[] }
  | { readonly list: readonly Value[] };

const varint = (value: number): number[] =>
  value < 128 ? [value] : [(value & 127) | 128, ...varint(Math.floor(value / 128))];
const typeOf = (value: Value): number =>
  "int" in value ? (value.wide ? 6 : 5) : "text" in value ? 8 : "struct" in value ? 12 : 9;

function encode(value: Value): number[] {
  if ("int" in value) return varint(2 * value.int); // zigzag, none is negative
  if ("text" in value) return [...varint(Buffer.byteLength(value.text)), ...Buffer.from(value.text)];
  if ("list" in value) {
    const { length } = value.list;
    const type = length === 0 ? 5 : typeOf(value.list[0]!);
    return [
      ...(length < 15 ? [(length << 4) | type] : [0xf0 | type, ...varint(length)]),
      ...value.list.flatMap(encode),
    ];
  }
  let last = 0;
  const bytes: number[] = [];
  for (const [id, inner] of value.struct) {
    bytes.push(((id - last) << 4) | typeOf(inner), ...encode(inner));
    last = id;
  }
  return [...bytes, 0];
}

const int = (value: number): Value => ({ int: value });
const long = (value: number): Value => ({ int: value, wide: true });
const text = (value: string): Value => ({ text: value });
const struct = (...fields: Field[]): Value => ({ struct: fields });
const list = (...values: Value[]): Value => ({ list: values });

const BYTE_ARRAY = 6;
const INT64 = 2;

interface Column {
  readonly path: readonly string[];
  readonly type: number;
  readonly data: Buffer;
}

/** @param features what the hub writes of each column */
export function parquetOf(
  rows: readonly { readonly image: Buffer; readonly label: number }[],
  imageColumn: string,
  features: object,
): Buffer {
  const lengths = (values: Buffer[]) =>
    Buffer.concat(values.flatMap((value) => [Buffer.from(Uint32Array.of(value.length).buffer), value]));
  const columns: Column[] = [
    { path: [imageColumn, "bytes"], type: BYTE_ARRAY, data: lengths(rows.map(({ image }) => image)) },
    { path: [imageColumn, "path"], type: BYTE_ARRAY, data: lengths(rows.map((_, i) => Buffer.from(`${i}.png`))) },
    { path: ["label"], type: INT64, data: Buffer.from(BigInt64Array.from(rows, ({ label }) => BigInt(label)).buffer) },
  ];
  const parts: Buffer[] = [Buffer.from("PAR1")];
  let offset = 4;
  const chunks = columns.map(({ path, type, data }) => {
    const pageHeader = Buffer.from(
      encode(
        struct(
          [1, int(0)],
          [2, int(data.length)],
          [3, int(data.length)],
          [5, struct([1, int(rows.length)], [2, int(0)], [3, int(3)], [4, int(3)])],
        ),
      ),
    );
    const bytes = pageHeader.length + data.length;
    const metadata = struct(
      [1, int(type)],
      [2, list(int(0))],
      [3, list(...path.map(text))],
      [4, int(0)],
      [5, long(rows.length)],
      [6, long(bytes)],
      [7, long(bytes)],
      [9, long(offset)],
    );
    parts.push(pageHeader, data);
    const chunk = struct([2, long(offset)], [3, metadata]);
    offset += bytes;
    return chunk;
  });
  const leaf = (name: string, type: number) => struct([1, int(type)], [3, int(0)], [4, text(name)]);
  const footer = encode(
    struct(
      [1, int(1)],
      [
        2,
        list(
          struct([4, text("schema")], [5, int(2)]),
          struct([3, int(0)], [4, text(imageColumn)], [5, int(2)]),
          leaf("bytes", BYTE_ARRAY),
          leaf("path", BYTE_ARRAY),
          leaf("label", INT64),
        ),
      ],
      [3, long(rows.length)],
      [4, list(struct([1, list(...chunks)], [2, long(offset)], [3, long(rows.length)]))],
      [5, list(struct([1, text("huggingface")], [2, text(JSON.stringify({ info: { features } }))]))],
    ),
  );
  return Buffer.concat([
    ...parts,
    Buffer.from(footer),
    Buffer.from(Uint32Array.of(footer.length).buffer),
    Buffer.from("PAR1"),
  ]);
}
