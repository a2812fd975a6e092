/** The worker takes longest to begin: it is the first thing that happens, the page comes meanwhile. */
import "../panels/panels.css";
import "./style.css";
import "./try/try.css";
import "./try/road.css";
import "./try/strip.css";
import "./try/views.css";
import "./teach/teach.css";
import { WorkerClient } from "./client.ts";

const isTried = ["", "#try"].includes(location.hash);
const begun = isTried ? new WorkerClient("loads") : null;
const { show } = await import("./show.tsx");
show(document.getElementById("page")!, begun);
