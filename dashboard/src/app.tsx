import { Alarms } from "./alarm-banner";
import { Details } from "./details";
import { Gate } from "./gate";
import { Header } from "./header";
import { Help } from "./help";
import { live } from "./store";
import { Charts } from "./sections/charts";
import { Events } from "./sections/events";
import { Holders } from "./sections/holders";
import { NPlusOnes } from "./sections/n-plus-one";
import { Pooler } from "./sections/pooler";
import { Pools } from "./sections/pools";
import { Sessions } from "./sections/sessions";
import { Slow } from "./sections/slow";
import { Statements } from "./sections/statements";
import { Summary } from "./sections/summary";
import { Waits } from "./sections/waits";

export function App() {
  const document = live.value;
  return (
    <>
      <a class="skip" href="#pools">Skip to the pools</a>
      <Header />
      <Alarms />
      {document ? (
        <main>
          <Summary live={document} />
          <Pools live={document} />
          <Charts history={document.history} />
          <div class="pair wide-right">
            <Waits live={document} />
            <Holders live={document} />
          </div>
          <Statements live={document} />
          <div class="pair">
            <Slow live={document} />
            <NPlusOnes live={document} />
          </div>
          <div class="pair">
            <Sessions live={document} />
            <Events live={document} />
          </div>
          <Pooler live={document} />
        </main>
      ) : (
        <Gate />
      )}
      <Details />
      <Help />
    </>
  );
}
