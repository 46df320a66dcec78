/** Calls `act` when the signal is aborted, at once where it is already; gives what takes it back. */
export function onAbort(signal: AbortSignal, act: () => void): () => void {
  if (signal.aborted) act();
  else signal.addEventListener("abort", act);
  return () => signal.removeEventListener("abort", act);
}
