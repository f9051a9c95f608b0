// Show the OpenAPI document with Swagger UI in the theme of the page or, without one, in the color
// scheme of the browser.
const darkScheme = matchMedia("(prefers-color-scheme: dark)");
const root = document.documentElement;
const applyScheme = () => {
  const theme = root.dataset.bsTheme ?? (darkScheme.matches ? "dark" : "light");
  root.classList.toggle("dark-mode", theme === "dark");
};
darkScheme.addEventListener("change", applyScheme);
applyScheme();

SwaggerUIBundle({
  url: document.getElementById("api").dataset.document,
  dom_id: "#api",
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
});
