import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

interface Props {
  title: string;
  /** A few words beside the title. */
  note?: string | undefined;
  id?: string;
  children: ComponentChildren;
}

export function Section({ title, note, id, children }: Props) {
  const heading = useId();
  return (
    <section id={id} class="section" aria-labelledby={heading}>
      <div class="heading">
        <h2 id={heading}>{title}</h2>
        {note && <p>{note}</p>}
      </div>
      {children}
    </section>
  );
}

/** One honest line where there is nothing to show. */
export function Nothing({ children }: { children: ComponentChildren }) {
  return <p class="nothing">{children}</p>;
}

/** The pooler does not send this section. */
export function Unknown({ what }: { what: string }) {
  return <Nothing>Not reported: this pgweir does not record {what}, or has it switched off.</Nothing>;
}
