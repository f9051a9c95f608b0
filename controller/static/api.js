// Show the OpenAPI document with Swagger UI in the color scheme of the browser.
const darkScheme = matchMedia("(prefers-color-scheme: dark)");
const applyScheme = () =>
  document.documentElement.classList.toggle("dark-mode", darkScheme.matches);
darkScheme.addEventListener("change", applyScheme);
applyScheme();

SwaggerUIBundle({
  url: document.getElementById("api").dataset.document,
  dom_id: "#api",
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
});
