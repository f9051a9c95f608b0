"""Virtual Shelly Gen2 device: switches over the RPC interface, with digest authentication."""

import json
import secrets
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from virtual_rack.faults import Fault
from virtual_rack.outlets.device import OutletRefusedError
from virtual_rack.outlets.digest import DigestAuthentication
from virtual_rack.outlets.http_device import DeviceRequest, DeviceResponse, HttpDevice

_USER = "admin"  # Shelly devices have no other user
_ID = "shellypro4pm-f008d1d8b8b8"
_VOLTS = 230.0
_INVALID_ARGUMENT, _NOT_FOUND, _FAILED_PRECONDITION, _NO_HANDLER = -103, -105, -109, 404


class _RpcError(Exception):
    """An error of the RPC interface, with its code and text."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.body = {"code": code, "message": message}


class Shelly(HttpDevice):
    """A device with a switch for each address, which is its id, from 0.

    Args:
        addresses: Ids of the switches.
        password: Password of the user `admin`. An empty one disables authentication.
        options: See `OutletServer`.
    """

    def __init__(self, addresses: Sequence[str], password: str = "", **options: Any) -> None:
        super().__init__(addresses, **options)
        self.password = password
        self._other_password = secrets.token_hex()
        self._authentication = DigestAuthentication(_USER, _ID)

    def respond(self, request: DeviceRequest) -> DeviceResponse:
        """Return the response to a request; see `HttpDevice`."""
        if request.path == "/shelly":
            return DeviceResponse(self._device_info())
        if not request.path.startswith("/rpc"):
            return DeviceResponse("Not Found", HTTPStatus.NOT_FOUND)
        try:
            call_id, method, parameters = _parse_call(request)
        except (ValueError, AttributeError):
            return DeviceResponse("Bad Request", HTTPStatus.BAD_REQUEST)
        if method != "Shelly.GetDeviceInfo" and not self._is_authenticated(request):
            return DeviceResponse(
                None,
                HTTPStatus.UNAUTHORIZED,
                {"WWW-Authenticate": self._authentication.challenge()},
            )
        if request.path == "/rpc":
            return self._respond_in_envelope(call_id, method, parameters)
        return self._respond_directly(method, parameters)

    def _respond_in_envelope(
        self, call_id: object, method: str, parameters: Mapping[str, Any]
    ) -> DeviceResponse:
        envelope = {"id": call_id, "src": _ID}
        try:
            return DeviceResponse(envelope | {"result": self._call(method, parameters)})
        except _RpcError as error:
            return DeviceResponse(envelope | {"error": error.body})

    def _respond_directly(self, method: str, parameters: Mapping[str, Any]) -> DeviceResponse:
        try:
            return DeviceResponse(self._call(method, parameters))
        except _RpcError as error:
            is_unknown = error.body["code"] == _NO_HANDLER
            status = HTTPStatus.NOT_FOUND if is_unknown else HTTPStatus.INTERNAL_SERVER_ERROR
            return DeviceResponse(error.body, status)

    def _apply_faults(self, changed: Fault) -> None:
        super()._apply_faults(changed)
        if changed is Fault.OUTLET_RESTARTS:
            self._authentication.forget()

    def _is_authenticated(self, request: DeviceRequest) -> bool:
        password = self._other_password if self.has_other_credentials else self.password
        return not password or self._authentication.is_valid(
            request.authorization, request.method, request.target, password
        )

    def _device_info(self) -> Mapping[str, object]:
        return {
            "id": _ID,
            "gen": 2,
            "app": "Pro4PM",
            "auth_en": bool(self.password) or self.has_other_credentials,
            "auth_domain": _ID,
        }

    def _call(self, method: str, parameters: Mapping[str, Any]) -> Mapping[str, object]:
        match method:
            case "Shelly.GetDeviceInfo":
                return self._device_info()
            case "Shelly.GetStatus":
                return {f"switch:{id_}": self._status(id_) for id_ in self.outlets.addresses}
            case "Switch.GetStatus":
                return self._status(self._switch_id(parameters))
            case "Switch.Set":
                return self._set(self._switch_id(parameters), _argument(parameters, "on", bool))
        raise _RpcError(_NO_HANDLER, f"No handler for {method}")

    def _switch_id(self, parameters: Mapping[str, Any]) -> str:
        id_ = str(_argument(parameters, "id", int))
        if id_ not in self.outlets.addresses:
            raise _RpcError(_NOT_FOUND, f"Argument 'id', value {id_} not found!")
        return id_

    def _status(self, id_: str) -> Mapping[str, object]:
        watts = self.outlets.watts(id_)
        return {
            "id": int(id_),
            "source": "HTTP_in",
            "output": self.outlets.is_on(id_),
            "apower": round(watts, 1),
            "voltage": _VOLTS,
            "current": round(watts / _VOLTS, 3),
        }

    def _set(self, id_: str, power: bool) -> Mapping[str, object]:
        was_on = self.outlets.is_on(id_)
        try:
            self.outlets.switch(id_, power=power)
        except OutletRefusedError:
            raise _RpcError(_FAILED_PRECONDITION, "Failed precondition!") from None
        return {"was_on": was_on}


def _parse_call(request: DeviceRequest) -> tuple[object, str, Mapping[str, Any]]:
    """Return the id, the method and the parameters of a call.

    Raises:
        ValueError: If the body is not JSON.
        AttributeError: If the body is not a JSON object.
    """
    body = json.loads(request.body) if request.body else {}
    if request.path == "/rpc":
        return body.get("id"), str(body.get("method")), body.get("params") or {}
    query = {name: _value(text) for name, text in request.query.items()}
    return None, request.path.removeprefix("/rpc/"), query | body


def _value(text: str) -> object:
    """Return the value of a parameter in a query, which is JSON or text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _argument(parameters: Mapping[str, Any], name: str, kind: type) -> Any:
    if name not in parameters:
        raise _RpcError(_INVALID_ARGUMENT, f"Missing required argument '{name}'!")
    value = parameters[name]
    if type(value) is not kind:
        raise _RpcError(_INVALID_ARGUMENT, f"Argument '{name}', value {value} is of wrong type!")
    return value
