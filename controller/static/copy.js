// Buttons that copy the text of an element (data-copy-from) or of an address (data-copy-url).

const SHOWN_MS = 2000;

async function textOf(button) {
  const { copyFrom, copyUrl } = button.dataset;
  if (copyFrom) return document.getElementById(copyFrom).textContent;
  const response = await fetch(copyUrl);
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return response.text();
}

async function writeClipboard(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Browsers have no navigator.clipboard for pages over HTTP from another machine.
  const area = document.body.appendChild(document.createElement("textarea"));
  area.value = text;
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  if (!isCopied) throw new Error("the browser does not allow copying");
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("button[data-copy-from], button[data-copy-url]");
  if (!button) return;
  const label = (button.dataset.label ??= button.textContent); // not "Copied" of an earlier click
  try {
    await writeClipboard(await textOf(button));
    button.textContent = "Copied";
  } catch (error) {
    console.warn("Copying failed:", error);
    button.textContent = "Not copied";
  }
  setTimeout(() => (button.textContent = label), SHOWN_MS);
});
