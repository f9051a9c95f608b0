"""Orders: submitted actions and their results.

`actions` lists the actions, `plan` resolves a request, `service` runs it through `rasp_actions` or
`power_actions`, `store` saves the result, and `api` contains the endpoints.
"""
