/** The package has no types of its own; this is what we call of it. */
declare module "svg-to-pdfkit" {
  export default function drawSvg(
    document: unknown,
    svg: string,
    x: number,
    y: number,
    options: {
      readonly assumePt: boolean;
      readonly width: number;
      readonly height: number;
      readonly fontCallback: (family: string, bold: boolean) => string;
    },
  ): void;
}
