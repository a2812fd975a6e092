import { useEffect, useRef, useState } from "preact/hooks";

const EVERY_MS = 500;

/** A value that changes often, passed on twice a second: plots are drawn anew each time. */
export function useSteadily<T>(value: T): T {
  const [shown, setShown] = useState(value);
  const latest = useRef(value);
  const timer = useRef(0);
  latest.current = value;
  useEffect(() => {
    if (shown === value || timer.current !== 0) return;
    timer.current = window.setTimeout(() => {
      timer.current = 0;
      setShown(latest.current);
    }, EVERY_MS);
  }, [value, shown]);
  useEffect(() => () => clearTimeout(timer.current), []);
  return shown;
}
