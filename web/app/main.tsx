import { render } from "preact";
import "../panels/panels.css";
import "./style.css";
import "./try/try.css";
import "./try/road.css";
import "./try/strip.css";
import "./try/views.css";
import "./teach/teach.css";
import { App } from "./app.tsx";

const page = document.getElementById("page")!;
page.replaceChildren(); // what was shown while this was loading
render(<App />, page);
