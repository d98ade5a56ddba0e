"""Who may do what: accounts, login sessions, API tokens and the audit log, without any Flask.

Its one rule: everything that takes rights away ends what was open under them, in the same transaction that records it,
and announces it (`extensions.announce_revocation`) once that is committed.
"""

from accounts import audit
from accounts.audit import COMMAND_LINE, Actor
from accounts.errors import (
    AccountError,
    InvalidUsername,
    LastAdmin,
    LinkEnded,
    NoSuchAccount,
    SetupClosed,
    TooManyTries,
    UsernameTaken,
    WeakPassword,
    WrongLogin,
)
from accounts.identity import Identity, authenticate_session, authenticate_token, identity_of, revoked
from accounts.models import ApiToken, AuditEntry, LoginSession, LoginThrottle, SetupToken, User
from accounts.password_links import invite, make_link, open_link, use_link
from accounts.passwords import hash_password, needs_rehash, password_problem, verify_password
from accounts.sessions import end_all_sessions, end_session, list_sessions, purge_ended
from accounts.setup import create_setup_token, make_first_admin, setup_expires_at
from accounts.sign_in import Browser, SignedIn, change_password, sign_in
from accounts.tokens import SCOPES, create_token, find_tokens, list_tokens, revoke_token
from accounts.usernames import clean_username, name_key
from accounts.users import (
    change_user,
    create_user,
    find_user,
    has_users,
    list_users,
    set_active,
    set_password,
    set_role,
)

__all__ = [
    "COMMAND_LINE",
    "SCOPES",
    "AccountError",
    "Actor",
    "ApiToken",
    "AuditEntry",
    "Browser",
    "Identity",
    "InvalidUsername",
    "LastAdmin",
    "LinkEnded",
    "LoginSession",
    "LoginThrottle",
    "NoSuchAccount",
    "SetupClosed",
    "SetupToken",
    "SignedIn",
    "TooManyTries",
    "User",
    "UsernameTaken",
    "WeakPassword",
    "WrongLogin",
    "audit",
    "authenticate_session",
    "authenticate_token",
    "change_password",
    "change_user",
    "clean_username",
    "create_setup_token",
    "create_token",
    "create_user",
    "end_all_sessions",
    "end_session",
    "find_tokens",
    "find_user",
    "has_users",
    "hash_password",
    "identity_of",
    "invite",
    "list_sessions",
    "list_tokens",
    "list_users",
    "make_first_admin",
    "make_link",
    "name_key",
    "needs_rehash",
    "open_link",
    "password_problem",
    "purge_ended",
    "revoke_token",
    "revoked",
    "set_active",
    "set_password",
    "set_role",
    "setup_expires_at",
    "sign_in",
    "use_link",
    "verify_password",
]
