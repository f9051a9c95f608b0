// The functions that the driver of the browser calls.

import { ThemeContext } from "@grafana/data";
import { GlobalStyles } from "@grafana/ui";
import { createRoot } from "react-dom/client";

import { recordCanvasTexts } from "./canvas_texts.js";
import { Dashboard, prepare } from "./dashboard.jsx";
import { NARROW_PIXELS } from "./layout.js";
import { findProblems } from "./problems.js";

const QUIET_MS = 300;
const FONTS = ["400 12px Inter", "500 12px Inter"];

const texts = recordCanvasTexts();
let root;

/** Wait until nothing has changed on the page for a moment. */
function settled() {
  return new Promise((resolve) => {
    const observer = new MutationObserver(() => restart());
    let timer;
    const restart = () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        observer.disconnect();
        resolve();
      }, QUIET_MS);
    };
    observer.observe(document, { subtree: true, childList: true, attributes: true });
    restart();
  });
}

/** Draw a dashboard. Return its height and the URLs of its links. */
window.draw = async ({ dashboard, recording, theme: mode, width }) => {
  root?.unmount();
  const element = document.getElementById("root");
  root = createRoot(element);
  const prepared = await prepare({ dashboard, recording, mode });
  const show = (content) =>
    root.render(
      <ThemeContext.Provider value={prepared.theme}>
        <GlobalStyles />
        {content}
      </ThemeContext.Provider>,
    );
  // Graphs measure their texts once, so the fonts of the styles come first.
  show();
  await settled();
  await Promise.all(FONTS.map((font) => document.fonts.load(font)));
  show(<Dashboard prepared={prepared} width={width} />);
  await settled();
  return { links: prepared.links, height: element.scrollHeight };
};

window.findProblems = () => findProblems(texts, window.innerWidth < NARROW_PIXELS);
