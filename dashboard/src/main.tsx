import { render } from "preact";
import "uplot/dist/uPlot.min.css";
import "./style.css";
import { App } from "./app";
import { feed } from "./store";
import { useKeys } from "./keys";
import { applyTheme } from "./theme";

applyTheme();
useKeys();
const place = document.getElementById("app");
if (place) render(<App />, place);
void feed.follow();
