// Shows the API's document by Swagger UI, dark or light as the reader's system is.
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

SwaggerUIBundle({
  url: document.getElementById("api").dataset.document,
  dom_id: "#api",
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
});
