import { useEffect, useState } from "preact/hooks";
import type { TrainingChoice } from "./training.ts";

interface ChoiceProps {
  readonly isRunning: boolean;
  readonly onStart: (choice: TrainingChoice) => void;
  readonly onStop: () => void;
}

const IMAGES = [1000, 2000, 5000, 10_000];
const EPOCHS = [2, 4, 8, 16];
/** A few minutes on two cores. */
const DEFAULT = { images: 5000, epochs: 4 };

/** How much to train, and where. */
export function Choice({ isRunning, onStart, onStop }: ChoiceProps) {
  const [images, setImages] = useState(DEFAULT.images);
  const [epochs, setEpochs] = useState(DEFAULT.epochs);
  const [device, setDevice] = useState<TrainingChoice["device"]>("wasm");
  const gpu = useGpu();
  const numbers = (options: readonly number[]) =>
    options.map((one) => (
      <option key={one} value={one}>
        {one.toLocaleString("en-US")}
      </option>
    ));
  return (
    <form
      class="choice"
      onSubmit={(event) => {
        event.preventDefault();
        onStart({ images, epochs, device });
      }}
    >
      <label>
        Pictures
        <select value={images} disabled={isRunning} onChange={(event) => setImages(Number(event.currentTarget.value))}>
          {numbers(IMAGES)}
        </select>
      </label>
      <label>
        Epochs
        <select value={epochs} disabled={isRunning} onChange={(event) => setEpochs(Number(event.currentTarget.value))}>
          {numbers(EPOCHS)}
        </select>
      </label>
      <label>
        On
        <select
          value={device}
          disabled={isRunning}
          onChange={(event) => setDevice(event.currentTarget.value as TrainingChoice["device"])}
        >
          <option value="wasm">the processor (WebAssembly)</option>
          <option value="webgpu" disabled={gpu !== "there"}>
            the graphics card (WebGPU{GPU_TEXT[gpu]})
          </option>
        </select>
      </label>
      {isRunning ? (
        <button key="stop" type="button" class="main" onClick={onStop}>
          Stop
        </button>
      ) : (
        // keys: one element for both would submit the form when it is clicked to stop
        <button key="start" type="submit" class="main">
          Train here
        </button>
      )}
    </form>
  );
}

type Gpu = "there" | "not in the browser" | "not installed";

const GPU_TEXT: Readonly<Record<Gpu, string>> = {
  there: "",
  "not in the browser": ": not in this browser",
  "not installed": ": needs npm install onnxruntime-web",
};

/** Whether this browser has WebGPU, and the server the binary for it; false until it is known. */
function useGpu(): Gpu {
  const [gpu, setGpu] = useState<Gpu>("not in the browser");
  useEffect(() => {
    findGpu().then(setGpu, () => undefined);
  }, []);
  return gpu;
}

async function findGpu(): Promise<Gpu> {
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<object | null> } };
  if (!(await gpu?.requestAdapter())) return "not in the browser";
  const devices: readonly string[] = await (await fetch("api/devices")).json();
  return devices.includes("webgpu") ? "there" : "not installed";
}
