"""Settings of the power driver `snmp`."""

import re
from ipaddress import ip_address
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from rack.power import credentials
from rack.power.credentials import SecretFile, SecretVariable, secret_file, secret_variable
from rack.settings import Settings, seconds_field

ADMIN_OID = "1.3.6.1.2.1.105.1.1.1.3.{group}.{port}"
"""pethPsePortAdminEnable: true(1), false(2)."""

DETECTION_OID = "1.3.6.1.2.1.105.1.1.1.6.{group}.{port}"
"""pethPsePortDetectionStatus."""

_OID = re.compile(r"\d+(\.(\d+|\{group\}|\{port\})){2,}", re.ASCII)


def _check_host(host: str) -> str:
    try:
        return str(ip_address(host))
    except ValueError as error:
        raise ValueError("not an IP address") from error


def _check_oid(oid: str) -> str:
    if oid and (not _OID.fullmatch(oid) or "{port}" not in oid):
        raise ValueError("not an object identifier with {port}")
    return oid


_Oid = Annotated[str, AfterValidator(_check_oid)]


class SnmpSettings(Settings):
    """Keys of a power source with the driver `snmp`."""

    host: Annotated[str, AfterValidator(_check_host)] = Field(
        description='the IP address of the switch, for example `"10.23.0.2"`'
    )
    port: int = Field(161, ge=1, le=65535, description="the UDP port of the switch, 1 to 65535")
    version: Literal["2c", "3"] = Field(
        "2c",
        description='the version of SNMP: `"3"` (encrypted and with passwords) or'
        ' `"2c"` (the community crosses the network as plain text)',
    )
    community_file: SecretFile = secret_file("the community that may write (version 2c)")
    community_env: SecretVariable = secret_variable("the community that may write (version 2c)")
    user: str = Field("", max_length=32, description="the name of the user (version 3)")
    auth_protocol: Literal["md5", "sha", "sha224", "sha256", "sha384", "sha512"] = Field(
        "sha256",
        description='the authentication protocol: `"md5"`, `"sha"`, `"sha224"`, `"sha256"`,'
        ' `"sha384"` or `"sha512"`',
    )
    auth_password_file: SecretFile = secret_file("the authentication password")
    auth_password_env: SecretVariable = secret_variable("the authentication password")
    privacy_protocol: Literal["des", "aes", "aes192", "aes256"] = Field(
        "aes", description='the privacy protocol: `"des"`, `"aes"`, `"aes192"` or `"aes256"`'
    )
    privacy_password_file: SecretFile = secret_file(
        "the privacy password. Without it, messages are not encrypted"
    )
    privacy_password_env: SecretVariable = secret_variable("the privacy password")
    switch_oid: _Oid = Field(
        ADMIN_OID,
        min_length=1,
        description="the object that switches a port, with `{port}` and `{group}`."
        " By default, pethPsePortAdminEnable",
    )
    on_value: int = Field(1, description="the value of this object if the port is on")
    off_value: int = Field(2, description="the value of this object if the port is off")
    status_oid: _Oid = Field(
        DETECTION_OID,
        description="the object with the status of a port, or an empty string."
        " By default, pethPsePortDetectionStatus",
    )
    watts_oid: _Oid = Field(
        "", description="the object with the power consumption of a port, which vendors define"
    )
    watts_scale: float = Field(
        1.0,
        gt=0,
        allow_inf_nan=False,
        description="the factor from this object to watts, for example `0.001` for milliwatts",
    )
    timeout_seconds: float = seconds_field(
        5.0, "the time a reply may take", maximum=60, positive=True
    )

    @model_validator(mode="after")
    def _check_combination(self) -> "SnmpSettings":
        if self.on_value == self.off_value:
            raise ValueError("on_value and off_value are equal: use different values")
        has = {
            key: credentials.is_set(self, key)
            for key in ("community", "auth_password", "privacy_password")
        }
        if self.version == "2c" and not has["community"]:
            raise ValueError("no community: set community_file or community_env")
        if self.version == "2c" and (has["auth_password"] or has["privacy_password"] or self.user):
            raise ValueError('a user and passwords are for version 3: set version = "3"')
        if self.version == "3" and not (self.user and has["auth_password"]):
            raise ValueError(
                "no user or no authentication password:"
                " set user, and auth_password_file or auth_password_env"
            )
        if self.version == "3" and has["community"]:
            raise ValueError("a community is for version 2c: remove it")
        return self
