import { chosen as shown, type Chosen } from "./store";

/** Opens the details of something. */
export function More({ of, chosen }: { of: string; chosen: Chosen }) {
  return (
    <button type="button" class="more-of" aria-label={`Details of ${of}`} onClick={() => (shown.value = chosen)}>
      Details
    </button>
  );
}
