"""SNMP requests to one switch, with the asynchronous library pysnmp in an own event loop."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from typing import Any, TypeAlias, TypeVar

from pysnmp.error import PySnmpError
from pysnmp.hlapi.v3arch.asyncio import (
    USM_AUTH_HMAC96_MD5,
    USM_AUTH_HMAC96_SHA,
    USM_AUTH_HMAC128_SHA224,
    USM_AUTH_HMAC192_SHA256,
    USM_AUTH_HMAC256_SHA384,
    USM_AUTH_HMAC384_SHA512,
    USM_PRIV_CBC56_DES,
    USM_PRIV_CFB128_AES,
    USM_PRIV_CFB192_AES,
    USM_PRIV_CFB256_AES,
    USM_PRIV_NONE,
    ContextData,
    Integer32,
    ObjectIdentity,
    ObjectType,
    SnmpEngine,
    Udp6TransportTarget,
    UdpTransportTarget,
    get_cmd,
    set_cmd,
)
from pysnmp.hlapi.v3arch.asyncio.auth import CommunityData, UsmUserData
from pysnmp.proto import errind
from pysnmp.proto.rfc1902 import OctetString
from pysnmp.proto.rfc1905 import EndOfMibView, NoSuchInstance, NoSuchObject

from rack.power.credentials import read_secret
from rack.power.drivers.snmp_errors import RejectedError, SnmpError
from rack.power.drivers.snmp_settings import SnmpSettings

Value: TypeAlias = int | str | None
"""Value of an object. None: the switch has no such object."""

_T = TypeVar("_T")

_AUTH_PROTOCOLS = {
    "md5": USM_AUTH_HMAC96_MD5,
    "sha": USM_AUTH_HMAC96_SHA,
    "sha224": USM_AUTH_HMAC128_SHA224,
    "sha256": USM_AUTH_HMAC192_SHA256,
    "sha384": USM_AUTH_HMAC256_SHA384,
    "sha512": USM_AUTH_HMAC384_SHA512,
}
_PRIVACY_PROTOCOLS = {
    "des": USM_PRIV_CBC56_DES,
    "aes": USM_PRIV_CFB128_AES,
    "aes192": USM_PRIV_CFB192_AES,
    "aes256": USM_PRIV_CFB256_AES,
}
_ATTEMPTS = 2
_TOO_BIG = 1
_NO_ACCESS = {2, 4, 6, 11, 16, 17}  # noSuchName, readOnly, noAccess, noCreation, …
_WRONG_VALUE = {3, 7, 8, 9, 10, 12}  # badValue, wrongType, … wrongValue, inconsistentValue
_CREDENTIAL_ERRORS = (
    errind.UnknownUserName,
    errind.WrongDigest,
    errind.AuthenticationFailure,
    errind.DecryptionError,
    errind.UnsupportedSecurityLevel,
    errind.UnknownSecurityName,
)


class SnmpClient:
    """Sends requests to a switch. One call at a time, in any thread.

    Args:
        settings: Settings of the power source.

    Raises:
        CredentialError: If a credential cannot be read.
    """

    def __init__(self, settings: SnmpSettings) -> None:
        self._settings = settings
        self._authentication = _authentication(settings)
        self._loop = asyncio.new_event_loop()
        self._engine: SnmpEngine | None = None

    def get(self, oids: Sequence[str]) -> Mapping[str, Value]:
        """Return the values of objects, keyed by object identifier.

        Raises:
            SnmpError: If the request fails.
        """
        status, values = self._run(self._request(get_cmd, [(oid, None) for oid in oids]))
        if status == _TOO_BIG and len(oids) > 1:
            middle = len(oids) // 2
            return {**self.get(oids[:middle]), **self.get(oids[middle:])}
        if status:
            raise RejectedError(f"the switch rejected the request ({_name(status)}): check its log")
        return dict(zip(oids, map(_value, values), strict=True))

    def set(self, oid: str, value: int) -> None:
        """Set an object to an integer.

        Raises:
            SnmpError: If the request fails.
        """
        status, _ = self._run(self._request(set_cmd, [(oid, Integer32(value))]))
        if status:
            fix = "check the switch and its log"
            if int(status) in _NO_ACCESS:
                fix = "allow these credentials to write, and check the address and switch_oid"
            elif int(status) in _WRONG_VALUE:
                fix = "correct on_value and off_value"
            raise RejectedError(f"the switch rejected the command ({_name(status)}): {fix}")

    def close(self) -> None:
        """Close the socket and the event loop."""
        self._loop.run_until_complete(self._close_engine())
        self._loop.close()

    async def _close_engine(self) -> None:
        if self._engine is not None:
            self._engine.close_dispatcher()
            self._engine = None
        pending = asyncio.all_tasks() - {asyncio.current_task()}
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    def _run(self, request: Coroutine[Any, Any, _T]) -> _T:
        try:
            return self._loop.run_until_complete(request)
        except (PySnmpError, OSError) as error:
            raise SnmpError(f"the request cannot be sent ({error}): check the network") from error

    async def _request(
        self, command: Any, variables: Sequence[tuple[str, Any]]
    ) -> tuple[Any, Sequence[Any]]:
        """Send a request. Return the error status and the values.

        The request is repeated once, because a message may be lost. The reply to the first message
        is accepted after the repetition, too, because a switch may be slow.
        """
        if self._engine is None:
            self._engine = SnmpEngine()
        attempts: set[asyncio.Task[tuple[Any, Sequence[Any]]]] = set()
        try:
            for _ in range(_ATTEMPTS):
                attempts.add(asyncio.create_task(self._send(self._engine, command, variables)))
                done, _ = await asyncio.wait(
                    attempts,
                    timeout=self._settings.timeout_seconds / _ATTEMPTS,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if done:
                    return done.pop().result()
            raise self._no_reply()
        finally:
            for attempt in attempts:
                attempt.cancel()
            await asyncio.gather(*attempts, return_exceptions=True)

    async def _send(
        self, engine: SnmpEngine, command: Any, variables: Sequence[tuple[str, Any]]
    ) -> tuple[Any, Sequence[Any]]:
        is_ipv6 = isinstance(ip_address(self._settings.host), IPv6Address)
        target_type = Udp6TransportTarget if is_ipv6 else UdpTransportTarget
        target = await target_type.create(
            (self._settings.host, self._settings.port),
            timeout=self._settings.timeout_seconds,
            retries=0,
        )
        error, status, _, bindings = await command(
            engine,
            self._authentication,
            target,
            ContextData(),
            *(
                ObjectType(ObjectIdentity(oid), *(() if value is None else (value,)))
                for oid, value in variables
            ),
            lookupMib=False,
        )
        if isinstance(error, errind.RequestTimedOut):
            raise self._no_reply()
        if isinstance(error, _CREDENTIAL_ERRORS):
            raise SnmpError(
                f"the switch rejected the user or a password ({error}):"
                " check the user, the protocols and the passwords"
            )
        if error:
            raise SnmpError(f"the request failed ({error}): check the switch and its settings")
        return status, [binding[1] for binding in bindings]

    def _no_reply(self) -> SnmpError:
        credential = "community" if self._settings.version == "2c" else "user"
        return SnmpError(
            f"no reply within {self._settings.timeout_seconds:g} s:"
            f" check the switch, its address and the {credential}"
        )


def _authentication(settings: SnmpSettings) -> CommunityData | UsmUserData:
    if settings.version == "2c":
        community = read_secret(settings, "community")
        return CommunityData(community, mpModel=1)  # noqa: S508 - many switches have no version 3
    privacy_password = read_secret(settings, "privacy_password")
    privacy = _PRIVACY_PROTOCOLS[settings.privacy_protocol] if privacy_password else USM_PRIV_NONE
    return UsmUserData(
        settings.user,
        authKey=read_secret(settings, "auth_password"),
        authProtocol=_AUTH_PROTOCOLS[settings.auth_protocol],
        privKey=privacy_password or None,
        privProtocol=privacy,
    )


def _value(value: Any) -> Value:
    if isinstance(value, NoSuchObject | NoSuchInstance | EndOfMibView):
        return None
    if isinstance(value, OctetString):
        return bytes(value).decode("utf-8", "replace").strip()
    try:
        return int(value)
    except (TypeError, ValueError):
        return str(value)


def _name(status: Any) -> str:
    """Return the name of an error status, such as `noAccess`."""
    with suppress(AttributeError):
        return str(status.prettyPrint())
    return str(status)
