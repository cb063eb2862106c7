"""The description of a carrier over HTTP: how it wants its messages and how it says what became of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from adapters.carriers.http_answer import AnswerFormat
from adapters.carriers.http_request import Encoding, RequestFormat, writer
from adapters.carriers.http_variables import QUESTION, SUBMISSION, by_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapters.carriers.http_auth import Auth
    from adapters.carriers.http_inbound import InboundFormat
    from adapters.carriers.http_query import QueryFormat
    from adapters.carriers.http_receipts import ReceiptFormat
    from adapters.carriers.http_request import Writer
    from adapters.carriers.http_template import Variables
    from adapters.carriers.http_variables import Question, Submission


@dataclass(frozen=True, slots=True)
class HttpCarrier:
    """A carrier over HTTP; secrets may stand anywhere in what is sent, and in `variables`."""

    url: str = field(repr=False)
    body: Mapping[str, object] = field(repr=False)  #: see `http_variables.SUBMISSION` and `by_table`
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    method: str = "POST"
    encoding: Encoding = Encoding.JSON
    auth: Auth | None = None
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)  #: the operator's own, always the same
    sender: str | None = None  #: of signatures that `senders` does not name
    senders: Mapping[str, str] = field(default_factory=dict)  #: by signature
    template_codes: Mapping[str, str] = field(default_factory=dict)  #: the carrier's, by ours; others are the same
    answer: AnswerFormat = field(default_factory=AnswerFormat)
    receipts: ReceiptFormat | None = None  #: None: it sends none
    inbound: InboundFormat | None = None  #: None: it sends none
    query: QueryFormat | None = None  #: None: it cannot be asked

    def __post_init__(self) -> None:
        taken = self.variables.keys() & (SUBMISSION.keys() | by_table(None, {}, {}).keys() | QUESTION.keys())
        if taken:
            raise ValueError(f"the variable {min(taken)!r} is ours already; yours needs another name")
        self.submits()
        self.asks()
        if self.query is not None and "job" not in self._request().names:
            raise ValueError("a query needs ${job} in the body too, or the carrier would know no message by it")

    def submits(self) -> Writer[Submission]:
        """What writes the request for a message."""
        tables = by_table(self.sender, self.senders, self.template_codes)
        known: Variables[Submission] = {**self.variables, **SUBMISSION, **tables}
        return writer(self._request(), known)

    def asks(self) -> Writer[Question] | None:
        """What writes the question about a message, if the carrier can be asked."""
        if self.query is None:
            return None
        headers = {**self.headers, **self.query.headers}
        known: Variables[Question] = {**self.variables, **QUESTION}
        return writer(RequestFormat(self.query.url, "GET", None, headers=headers, auth=self.auth), known)

    def _request(self) -> RequestFormat:
        return RequestFormat(self.url, self.method, self.body, self.encoding, self.headers, self.auth)
