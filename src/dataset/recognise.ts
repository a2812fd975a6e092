/** What data is that cannot be read, and which form of it can. */

interface Known {
  readonly pattern: RegExp;
  readonly what: string;
  readonly advice: string;
}

const KNOWN: readonly Known[] = [
  {
    pattern: /(^|\/)(data_batch_\d|test_batch)$|(^|\/)batches\.meta$/,
    what: "CIFAR-10 in its Python version",
    advice: "give its binary version (cifar-10-binary.tar.gz)",
  },
  {
    pattern: /(^|\/)(data_batch_\d|test_batch|batches\.meta)\.mat$/,
    what: "CIFAR-10 in its MATLAB version",
    advice: "give its binary version (cifar-10-binary.tar.gz)",
  },
  { pattern: /\.mat$/i, what: "MATLAB files", advice: "write the pictures as files in a folder for each class" },
  {
    pattern: /\.(npz|npy|pkl|pickle|pt)$/i,
    what: "arrays of Python",
    advice: "write the pictures as PNG in a folder for each class",
  },
  { pattern: /\.(h5|hdf5)$/i, what: "HDF5", advice: "write the pictures as PNG in a folder for each class" },
  {
    pattern: /\.(tfrecords?|tfrecord-\d+.*)$/i,
    what: "TFRecords",
    advice: "write the pictures as files in a folder for each class",
  },
  { pattern: /\.(mp4|mov|avi|mkv|webm)$/i, what: "films", advice: "write single pictures of them" },
  {
    pattern: /\.(rar|7z|xz|bz2|zst)$/i,
    what: "an archive of another kind",
    advice: "unpack it, or pack it as .zip or .tar.gz",
  },
  { pattern: /\.(zip|tar|tgz|tar\.gz)$/i, what: "an archive inside", advice: "give that archive itself" },
  {
    pattern: /\.csv$/i,
    what: "a table without pictures",
    advice: "give the folder that holds the pictures, with --labels for the table",
  },
];

/** What most files are a sign of; null: nothing that is known. */
export function recognise(names: readonly string[]): { readonly what: string; readonly advice: string } | null {
  return (
    KNOWN.find(({ pattern }) => names.some((name) => pattern.test(name))) ??
    (names.some((name) => /(^|\/)(train|test|meta)$/.test(name))
      ? {
          what: "what may be CIFAR-100 in its Python version",
          advice: "give its binary version (cifar-100-binary.tar.gz)",
        }
      : null)
  );
}
