export function WatchPage() {
  return <p>soon</p>;
}
