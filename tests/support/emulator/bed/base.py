"""What every patch uses: a way to replace a method, to refuse a request, and the lock."""

import functools
import threading

from moto.core.exceptions import ServiceException

#: moto is not safe for threads: every AWS call and every control call holds this lock while it works.
LOCK = threading.RLock()


class Refusal(ServiceException):
    """An error answer, in the protocol of the service that was called."""

    def __init__(self, code, message, status=400):
        super().__init__(code, message)
        self.status = status


def refuse(code, message, status=400):
    """Answers a call with an error."""
    raise Refusal(code, message, status)


def wraps(owner, name):
    """Replaces `owner.name` by the decorated function, whose first argument is the former one."""

    def decorate(function):
        former = getattr(owner, name)

        @functools.wraps(former)
        def method(*args, **kwargs):
            return function(former, *args, **kwargs)

        setattr(owner, name, method)
        return function

    return decorate


def adds(owner, name=None):
    """Sets the decorated function as a method of `owner`, replacing one of that name."""

    def decorate(function):
        setattr(owner, name or function.__name__, function)
        return function

    return decorate


def page(response, items, least=5, most=1000):
    """One page of `items` as MaxResults and NextToken of the request ask, and the next token."""
    # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html#api-pagination
    # A page holds at most MaxResults items; a token leads to the next; a token that AWS did not give is refused.
    size = response._get_param("MaxResults")
    token = response._get_param("NextToken")
    if size is None and token is None:
        return items, None
    size = most if size is None else int(size)
    if not least <= size <= most:
        refuse("InvalidParameterValue",
               f"Value ( {size} ) for parameter maxResults is invalid. Expecting a value between {least} and {most}.")
    start = 0
    if token is not None:
        if not (token.startswith("bed-page-") and token[9:].isdigit()):
            refuse("InvalidPaginationToken", f"The pagination token '{token}' is not valid or has expired.")
        start = int(token[9:])
    end = start + size
    return items[start:end], (f"bed-page-{end}" if end < len(items) else None)


def tag_list(resource):
    """The tags of a resource in the form of an answer."""
    return [{"Key": key, "Value": value} for key, value in resource.ec2_backend.tags.get(resource.id, {}).items()]
