"""A configured carrier over HTTP, as the channel and the webhooks want it described."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from adapters.carriers.http import HttpChannel
from adapters.carriers.http_answer import AnswerFormat, Verdict
from adapters.carriers.http_auth import Acs3, Basic, Bearer, Hmac
from adapters.carriers.http_carrier import HttpCarrier
from adapters.carriers.http_inbound import InboundFormat
from adapters.carriers.http_posted import Posted
from adapters.carriers.http_query import QueryFormat
from adapters.carriers.http_receipts import ReceiptFormat
from adapters.carriers.http_request import Encoding
from adapters.carriers.http_template import ready_text
from adapters.http.signature import Signature
from adapters.http.webhooks import Webhook, Webhooks
from config import policy
from config.channels import HttpSettings
from config.http_tables import Acs3Settings, BasicSettings, BearerSettings, HmacSettings
from config.load import ConfigError
from engine.receipts import NotSent, State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from adapters.carriers.http_auth import Auth
    from config.http_tables import AnswerSettings, AuthSettings, InboundSettings, QuerySettings, ReceiptSettings
    from config.settings import Settings


def describe(channel: HttpSettings, environment: Mapping[str, str]) -> HttpCarrier:
    """What the channel needs to know of its carrier.

    Raises:
        ConfigError: a variable of the environment is not set.
        ValueError: the description is at odds with itself.
    """
    variables = policy.variables(channel, environment)
    return HttpCarrier(
        url=channel.url,
        body=channel.body,
        headers=policy.headers(channel, environment),
        method=channel.method,
        encoding=Encoding(channel.encoding),
        auth=_auth(channel.auth, variables) if channel.auth else None,
        variables=variables,
        sender=channel.sender,
        senders=channel.senders,
        template_codes=channel.template_codes,
        answer=_answer(channel.answer),
        receipts=_receipts(channel.receipts) if channel.receipts else None,
        inbound=_inbound(channel.inbound) if channel.inbound else None,
        query=_query(channel.query) if channel.query else None,
    )


def webhooks(settings: Settings, channels: Mapping[str, object], environment: Mapping[str, str]) -> Webhooks:
    """Where the carriers post to.

    Raises:
        ConfigError: a variable of the environment is not set, or a signature is at odds with itself.
    """
    receipts, inbound = {}, {}
    for channel in settings.channels:
        way = channels[channel.name]
        if not (isinstance(channel, HttpSettings) and isinstance(way, HttpChannel)):
            continue
        token = policy.webhook_token(channel, environment)
        try:
            signature = _signature(channel, channel.webhook_url, environment)
            receipts[channel.name] = _replying(Webhook(way.read, way.take, token, signature), channel.receipts)
            if channel.inbound:
                signature = _signature(channel, channel.inbound.webhook_url, environment)
                webhook = Webhook(way.read_inbound, way.take, token, signature)
                inbound[channel.name] = _replying(webhook, channel.inbound)
        except ValueError as error:
            raise ConfigError(f"Channel {channel.name}: {error}.") from None
    return Webhooks(receipts, inbound)


def _replying(webhook: Webhook, posted: ReceiptSettings | InboundSettings | None) -> Webhook:
    return replace(webhook, thanks=posted.reply, thanks_type=posted.reply_type) if posted else webhook


def _signature(channel: HttpSettings, url: str | None, environment: Mapping[str, str]) -> Signature | None:
    signature = channel.webhook_signature
    if signature is None:
        return None
    secret = _known(signature.secret, policy.variables(channel, environment))
    return Signature(
        header=signature.header,
        secret=secret,
        signs=signature.signs,
        algorithm=signature.algorithm,
        encoding=signature.encoding,
        prefix=signature.prefix,
        url=url or "",
    )


def _auth(auth: AuthSettings, variables: Mapping[str, str]) -> Auth:
    match auth:
        case BearerSettings():
            return Bearer(_known(auth.token, variables))
        case BasicSettings():
            return Basic(_known(auth.user, variables), _known(auth.password, variables))
        case HmacSettings():
            secret = _known(auth.secret, variables)
            return Hmac(auth.header, secret, auth.signed, auth.algorithm, auth.encoding, auth.prefix)
        case Acs3Settings():
            return Acs3(_known(auth.key, variables), _known(auth.secret, variables))


def _known(template: str, variables: Mapping[str, str]) -> str:
    """Text that may name the channel's own variables only."""
    fill: Callable[[None], str] = ready_text(template, variables)
    return fill(None)


def _answer(answer: AnswerSettings) -> AnswerFormat:
    return AnswerFormat(
        id_path=answer.id_path,
        status_path=answer.status_path,
        values={value: Verdict(verdict) for value, verdict in answer.values.items()},
        code_path=answer.code_path,
        codes={code: Verdict(verdict) for code, verdict in answer.codes.items()},
        reason_path=answer.reason_path,
        statuses={status: Verdict(verdict) for status, verdict in answer.statuses.items()},
    )


def _query(query: QuerySettings) -> QueryFormat:
    return QueryFormat(
        url=query.url,
        states={word: NotSent() if state == "not_sent" else State(state) for word, state in query.states.items()},
        id_path=query.id_path or None,
        status_path=query.status_path,
        code_path=query.code_path,
        list_path=query.list_path,
        ref_path=query.ref_path,
        headers=query.headers,
        utc_offset_h=query.utc_offset_h,
        not_sent_statuses=frozenset(query.not_sent_statuses),
        settles_after_s=query.settles_after_s,
    )


def _receipts(receipts: ReceiptSettings) -> ReceiptFormat:
    return ReceiptFormat(
        states={word: State(state) for word, state in receipts.states.items()},
        id_path=receipts.id_path,
        status_path=receipts.status_path,
        code_path=receipts.code_path,
        list_path=receipts.list_path,
        posted=Posted(receipts.encoding),
    )


def _inbound(inbound: InboundSettings) -> InboundFormat:
    return InboundFormat(
        sender_path=inbound.sender_path,
        to_path=inbound.to_path,
        text_path=inbound.text_path,
        id_path=inbound.id_path,
        list_path=inbound.list_path,
        posted=Posted(inbound.encoding),
    )
