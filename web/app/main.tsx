import { render } from "preact";
import "../panels/panels.css";
import "./style.css";
import { App } from "./app.tsx";

render(<App />, document.getElementById("page")!);
