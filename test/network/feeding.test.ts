import { expect, test } from "vitest";
import { feedingOf, readBeside } from "../../src/network/feeding.ts";
import type { Prepared } from "../../src/onnx/prepare.ts";

/** Of a prepared network only its input is looked at. */
function taking(shape: readonly number[], type = "float32"): { prepared: Prepared; name: string } {
  const prepared = {
    main: "x",
    inputs: [{ name: "x", type, dims: shape }],
    tensors: new Map([["x", { shape, type, batchAxis: 0 }]]),
  } as unknown as Prepared;
  return { prepared, name: "theirs" };
}

const imagenet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

test("where nobody says, pictures are prepared as for ImageNet, bytes as they are", () => {
  expect(feedingOf(taking([1, 3, 8, 9]), {})).toEqual({
    feeding: { layout: "channelsFirst", channels: "rgb" },
    picture: { shape: [3, 8, 9], layout: "channelsFirst", channels: "rgb", normalisation: imagenet },
    guessed: true,
  });
  const { feeding, picture, guessed } = feedingOf(taking([1, 8, 9, 1], "uint8"), {});
  expect(feeding).toEqual({ layout: "channelsLast", channels: "grey" });
  expect(picture).toMatchObject({ shape: [1, 8, 9], channels: "grey" });
  expect(picture.normalisation).toEqual({ mean: [0], std: [1 / 255] });
  expect(guessed).toBe(false);
});

test("numbers come in the order of the network's channels: blue first is turned round", () => {
  const { picture } = feedingOf(taking([1, 3, 8, 8]), { normalise: "0.1,0.2,0.3/0.5", channels: "bgr" });
  expect(picture.normalisation).toEqual({ mean: [0.3, 0.2, 0.1], std: [0.5, 0.5, 0.5] });
});

test("files beside: Hugging Face and timm; what the user says wins", () => {
  const preprocessor = { image_mean: [0.5, 0.5, 0.5], image_std: [0.25, 0.25, 0.25], size: { height: 64, width: 64 } };
  const config = { id2label: { "10": "k", "0": "a", "2": "c" } };
  expect(readBeside({ preprocessor, config })).toEqual({
    side: 64,
    normalisation: { mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] },
    labels: ["a", "c", "k"],
    channels: undefined,
  });
  const timm = {
    pretrained_cfg: { mean: [0.1, 0.1, 0.1], std: [1, 1, 1], input_size: [3, 96, 96] },
    label_names: ["x", "y"],
  };
  expect(readBeside({ config: timm })).toMatchObject({
    side: 96,
    labels: ["x", "y"],
    normalisation: { std: [1, 1, 1] },
  });
  expect(readBeside({ preprocessor: "nonsense" })).toEqual({
    side: undefined,
    normalisation: undefined,
    labels: undefined,
    channels: undefined,
  });
  const said = feedingOf(taking([1, 3, 8, 8]), { beside: { preprocessor }, normalise: "unit" });
  expect(said.picture.normalisation).toEqual({ mean: [0, 0, 0], std: [1, 1, 1] });
  expect(feedingOf(taking([1, 3, 8, 8]), { beside: { preprocessor } }).guessed).toBe(false);
});

test("a preprocessor with another scale, an offset, or blue first", () => {
  const told = (preprocessor: object) => feedingOf(taking([1, 3, 8, 8]), { beside: { preprocessor } });
  const half = { image_mean: [0.5, 0.5, 0.5], image_std: [0.25, 0.25, 0.25] };
  // x / 127.5 - 1, as EfficientNet's: (x / 255 - 0.5) / 0.5
  const shifted = told({ do_normalize: false, rescale_factor: 1 / 127.5, rescale_offset: true }).picture.normalisation;
  for (const k of [0, 1, 2]) {
    expect(shifted.mean[k]).toBeCloseTo(0.5, 12);
    expect(shifted.std[k]).toBeCloseTo(0.5, 12);
  }
  // bytes as they are, less 100: x - 100
  const bytes = told({ do_rescale: false, image_mean: [100, 100, 100], image_std: [1, 1, 1] }).picture.normalisation;
  expect(bytes.mean[0]).toBeCloseTo(100 / 255, 12);
  expect(bytes.std[0]).toBeCloseTo(1 / 255, 12);
  const blue = told({ ...half, image_mean: [0.1, 0.2, 0.3], do_flip_channel_order: true });
  expect(blue.feeding.channels).toBe("bgr");
  expect(blue.picture.normalisation.mean).toEqual([0.3, 0.2, 0.1]);
  const asBytes = feedingOf(taking([1, 3, 8, 8], "uint8"), { beside: { preprocessor: half } }).picture;
  expect(asBytes.normalisation).toEqual({ mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] });
});

test("what does not fit is told in one line", () => {
  expect(() => feedingOf(taking([1, 20]), {})).toThrow(/theirs: an input for pictures, .* found x \[1, 20\]; /);
  expect(() => feedingOf(taking([1, 3, 8, 8]), { normalise: "caffe" })).toThrow(
    /--normalise: imagenet, cifar, unit or MEAN\/STD .* found caffe/,
  );
  expect(() => feedingOf(taking([1, 3, 8, 8]), { normalise: "1,2/1" })).toThrow(/--normalise/);
});
