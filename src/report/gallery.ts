/** Pictures in groups as one HTML file that opens from disk: the contact sheet of a data set, and a run's suspects. */

export interface GalleryPicture {
  /** A PNG as a data URL. */
  readonly png: string;
  readonly text: string;
}

export interface GalleryGroup {
  readonly title: string;
  readonly pictures: readonly GalleryPicture[];
}

const STYLE =
  "body{font:15px/1.4 system-ui,sans-serif;margin:2rem;color:#222;background:#fff}" +
  "ul{display:flex;flex-wrap:wrap;gap:.75rem;list-style:none;padding:0}li{width:8rem;overflow-wrap:anywhere;font-size:12px}" +
  "img{width:8rem;height:8rem;object-fit:contain;background:#eee;image-rendering:pixelated;display:block}";

/** No name of a class or file becomes markup. */
export function galleryHtml(title: string, about: string, groups: readonly GalleryGroup[]): string {
  const sections = groups.map(
    ({ title: name, pictures }) =>
      `<h2>${escaped(name)}</h2><ul>${pictures
        .map(({ png, text }) => `<li><img src="${escaped(png)}" alt="">${escaped(text)}</li>`)
        .join("")}</ul>`,
  );
  return (
    `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escaped(title)}</title><style>${STYLE}</style>` +
    `<h1>${escaped(title)}</h1><p>${escaped(about)}</p>${sections.join("")}</html>\n`
  );
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (one) => `&#${one.charCodeAt(0)};`);
}
