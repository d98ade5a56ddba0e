"""What Python libraries do, by full dotted name: (operation, HTTP verb or None, where the target is).

The target is a position ("0", "1"), "sql" (SQL text in the first argument), "model" (the class in the first argument),
"made" (the class of the object in the first argument), "receiver" (what it is called on), "mode" (a path, and what
`open` does with it), a keyword argument ("routing_key|1" with a position besides), "name", or "" (not known).
"""

from __future__ import annotations

from jobs.code_scan.facts import (
    API_CALL,
    CACHE_READ,
    CACHE_WRITE,
    DATA_TRANSFORM,
    DATABASE_READ,
    DATABASE_WRITE,
    FILE_READ,
    FILE_WRITE,
    MESSAGE_RECEIVE,
    MESSAGE_SEND,
)

Rule = tuple[str, str | None, str]
Rules = dict[str, Rule]


def _rules(operation: str, target: str, names: str, verb: str | None = None) -> Rules:
    return dict.fromkeys(names.split(), (operation, verb, target))


_HTTP: Rules = {
    name: (API_CALL, name.upper(), "url|0") for name in "get post put patch delete head options".split()
} | {
    "request": (API_CALL, None, "url|1"),
    "stream": (API_CALL, None, "url|1"),
    "ws_connect": (API_CALL, "GET", "url|0"),
}
_PATH: Rules = (
    _rules(FILE_READ, "receiver", "read_text read_bytes iterdir glob rglob")
    | _rules(FILE_WRITE, "receiver", "write_text write_bytes unlink mkdir rmdir touch rename replace")
    | {"open": (FILE_READ, None, "path mode")}
)
_REDIS: Rules = (
    _rules(
        CACHE_READ, "0", "get mget hget hgetall hmget exists lrange smembers zrange ttl getex scan_iter keys sismember"
    )
    | _rules(
        CACHE_WRITE,
        "0",
        "set setex setnx mset hset hmset delete expire incr decr lpush rpush sadd srem zadd hdel hincrby unlink",
    )
    | _rules(MESSAGE_SEND, "0", "publish xadd")
    | _rules(MESSAGE_RECEIVE, "0", "subscribe psubscribe xread xreadgroup")
)
_CACHE: Rules = _rules(CACHE_READ, "0", "get get_many has_key aget get_or_set") | _rules(
    CACHE_WRITE, "0", "set set_many add delete delete_many incr decr clear touch aset adelete"
)
_SESSION: Rules = (
    _rules(DATABASE_READ, "model", "query get get_one")
    | _rules(
        DATABASE_WRITE, "made", "add delete merge add_all bulk_save_objects bulk_insert_mappings bulk_update_mappings"
    )
    | _rules(DATABASE_WRITE, "", "commit")
    | _rules(DATABASE_READ, "sql", "execute exec scalar scalars stream")
)
_CURSOR: Rules = _rules(
    DATABASE_READ, "sql", "execute executemany executescript fetch fetchrow fetchval read_sql exec_driver_sql"
)
_FRAME: Rules = (
    _rules(
        DATA_TRANSFORM,
        "name",
        "groupby merge pivot pivot_table apply melt sort_values drop_duplicates fillna agg resample rename",
    )
    | _rules(FILE_WRITE, "0", "to_csv to_excel to_parquet to_json to_pickle")
    | _rules(DATABASE_WRITE, "0", "to_sql")
)

# Full dotted name of a class → rules for its methods.
TYPES: dict[str, Rules] = {
    **dict.fromkeys(
        (
            "requests.Session",
            "requests.sessions.Session",
            "httpx.Client",
            "httpx.AsyncClient",
            "aiohttp.ClientSession",
            "requests_futures.sessions.FuturesSession",
        ),
        _HTTP,
    ),
    **dict.fromkeys(("pathlib.Path", "pathlib.PosixPath", "anyio.Path"), _PATH),
    **dict.fromkeys(
        (
            "redis.Redis",
            "redis.StrictRedis",
            "redis.asyncio.Redis",
            "redis.from_url",
            "redis.Redis.from_url",
            "redis.asyncio.from_url",
            "redis.client.Redis",
            "django_redis.get_redis_connection",
            "aioredis.Redis",
            "flask_redis.FlaskRedis",
        ),
        _REDIS,
    ),
    **dict.fromkeys(
        (
            "django.core.cache.cache",
            "django.core.cache.caches",
            "flask_caching.Cache",
            "aiocache.Cache",
            "cachelib.SimpleCache",
        ),
        _CACHE,
    ),
    **dict.fromkeys(
        (
            "sqlalchemy.orm.Session",
            "sqlalchemy.orm.session.Session",
            "sqlalchemy.ext.asyncio.AsyncSession",
            "sqlmodel.Session",
            "sqlmodel.ext.asyncio.session.AsyncSession",
            "sqlalchemy.orm.scoped_session",
            "sqlalchemy.ext.asyncio.session.AsyncSession",
        ),
        _SESSION,
    ),
    **dict.fromkeys(
        (
            "sqlite3.connect",
            "sqlite3.Connection",
            "sqlite3.Cursor",
            "psycopg.connect",
            "psycopg2.connect",
            "pymysql.connect",
            "aiosqlite.connect",
            "asyncpg.connect",
            "asyncpg.Pool",
            "asyncpg.create_pool",
            "MySQLdb.connect",
            "pyodbc.connect",
            "sqlalchemy.Connection",
            "sqlalchemy.engine.Connection",
            "django.db.connection",
            "mysql.connector.connect",
            "databases.Database",
            "duckdb.connect",
        ),
        _CURSOR,
    ),
    "kafka.KafkaProducer": _rules(MESSAGE_SEND, "topic|0", "send"),
    "kafka.KafkaConsumer": _rules(MESSAGE_RECEIVE, "topic|0", "subscribe poll"),
    "confluent_kafka.Producer": _rules(MESSAGE_SEND, "topic|0", "produce"),
    "confluent_kafka.Consumer": _rules(MESSAGE_RECEIVE, "0", "subscribe poll consume"),
    "aiokafka.AIOKafkaProducer": _rules(MESSAGE_SEND, "topic|0", "send send_and_wait"),
    "aiokafka.AIOKafkaConsumer": _rules(MESSAGE_RECEIVE, "0", "subscribe getone getmany"),
    "pika.channel": _rules(MESSAGE_SEND, "routing_key|1", "basic_publish")
    | _rules(MESSAGE_RECEIVE, "queue|0", "basic_consume basic_get"),
    "celery.Celery": _rules(MESSAGE_SEND, "0", "send_task"),
    "rq.Queue": _rules(MESSAGE_SEND, "0", "enqueue enqueue_call enqueue_in enqueue_at"),
    "boto3.sqs": _rules(MESSAGE_SEND, "QueueUrl", "send_message send_message_batch")
    | _rules(MESSAGE_RECEIVE, "QueueUrl", "receive_message"),
    "boto3.sns": _rules(MESSAGE_SEND, "TopicArn", "publish"),
    "boto3.s3": _rules(FILE_READ, "Key", "get_object download_file download_fileobj list_objects_v2")
    | _rules(FILE_WRITE, "Key", "put_object upload_file upload_fileobj delete_object"),
    "pandas.DataFrame": _FRAME,
    "django.core.files.storage.default_storage": _rules(FILE_READ, "0", "open exists listdir")
    | _rules(FILE_WRITE, "0", "save delete"),
}

# Full dotted name of a function → rule.
FUNCTIONS: dict[str, Rule] = {
    **{
        f"{library}.{name}": rule
        for library in ("requests", "httpx")
        for name, rule in _HTTP.items()
        if name != "ws_connect"
    },
    **_rules(API_CALL, "0", "urllib.request.urlopen urllib.request.urlretrieve", "GET"),
    **_rules(
        FILE_WRITE, "1", "shutil.copy shutil.copy2 shutil.copyfile shutil.move shutil.copytree os.rename os.replace"
    ),
    **_rules(FILE_WRITE, "0", "shutil.rmtree os.remove os.unlink os.makedirs os.mkdir os.rmdir"),
    **_rules(FILE_READ, "0", "os.listdir os.walk os.scandir glob.glob glob.iglob"),
    **_rules(
        FILE_READ,
        "0",
        "pandas.read_csv pandas.read_excel pandas.read_json pandas.read_parquet pandas.read_table pandas.read_pickle",
    ),
    **_rules(DATABASE_READ, "sql", "pandas.read_sql pandas.read_sql_query pandas.read_sql_table"),
    **_rules(
        DATA_TRANSFORM,
        "name",
        "json.loads json.dumps json.load json.dump orjson.loads orjson.dumps ujson.loads ujson.dumps "
        "simplejson.loads simplejson.dumps yaml.safe_load yaml.load yaml.dump yaml.safe_dump pickle.loads "
        "pickle.dumps pickle.load "
        "pickle.dump csv.reader csv.DictReader csv.writer csv.DictWriter itertools.groupby pandas.merge "
        "pandas.concat pandas.pivot_table "
        "pandas.json_normalize tomllib.load tomllib.loads toml.load xml.etree.ElementTree.fromstring "
        "msgpack.packb msgpack.unpackb "
        "dataclasses.asdict numpy.concatenate functools.reduce",
    ),
    **_rules(
        DATABASE_READ,
        "model",
        "sqlalchemy.select sqlmodel.select sqlalchemy.future.select sqlalchemy.orm.select sqlalchemy.exists",
    ),
    **_rules(
        DATABASE_WRITE,
        "model",
        "sqlalchemy.insert sqlalchemy.update sqlalchemy.delete sqlmodel.insert sqlmodel.update sqlmodel.delete "
        "sqlalchemy.dialects.postgresql.insert sqlalchemy.dialects.sqlite.insert sqlalchemy.sql.update "
        "sqlalchemy.sql.delete",
    ),
    **_rules(DATABASE_READ, "model", "django.shortcuts.get_object_or_404 django.shortcuts.get_list_or_404"),
    **_rules(FILE_READ, "mode", "aiofiles.open codecs.open io.open gzip.open zipfile.ZipFile tarfile.open bz2.open"),
}

# A method that gives another of a library's things → full name of the type of what it gives.
GIVES = {
    "cursor": "sqlite3.Cursor",
    "channel": "pika.channel",
    "pubsub": "redis.Redis",
    "pipeline": "redis.Redis",
    "begin": "sqlalchemy.Connection",
}

# A receiver without a known type: its name by convention → (libraries that must be imported, type).
CONVENTIONS: dict[str, tuple[tuple[str, ...], str]] = {
    "session": (("sqlalchemy", "sqlmodel", "flask_sqlalchemy"), "sqlalchemy.orm.Session"),
    "db_session": (("sqlalchemy", "sqlmodel", "flask_sqlalchemy"), "sqlalchemy.orm.Session"),
    "db": (("sqlalchemy", "sqlmodel"), "sqlalchemy.orm.Session"),
    "cursor": (
        ("sqlite3", "psycopg", "psycopg2", "pymysql", "MySQLdb", "django.db", "pyodbc", "mysql", "cx_Oracle"),
        "sqlite3.Cursor",
    ),
    "cur": (
        ("sqlite3", "psycopg", "psycopg2", "pymysql", "MySQLdb", "django.db", "pyodbc", "mysql", "cx_Oracle"),
        "sqlite3.Cursor",
    ),
    "conn": (("sqlite3", "psycopg", "psycopg2", "pymysql", "asyncpg", "aiosqlite", "sqlalchemy"), "sqlite3.Connection"),
    "connection": (
        ("sqlite3", "psycopg", "psycopg2", "pymysql", "asyncpg", "aiosqlite", "sqlalchemy"),
        "sqlite3.Connection",
    ),
    "redis": (("redis", "aioredis"), "redis.Redis"),
    "redis_client": (("redis", "aioredis"), "redis.Redis"),
    "cache": (("flask_caching", "aiocache"), "flask_caching.Cache"),
    "channel": (("pika",), "pika.channel"),
    "producer": (("kafka", "aiokafka"), "kafka.KafkaProducer"),
    "consumer": (("kafka", "aiokafka"), "kafka.KafkaConsumer"),
    "http": (("httpx", "aiohttp"), "httpx.Client"),
    "df": (("pandas",), "pandas.DataFrame"),
}
SQL_LIBRARIES = (
    "sqlite3",
    "psycopg",
    "psycopg2",
    "pymysql",
    "MySQLdb",
    "sqlalchemy",
    "sqlmodel",
    "asyncpg",
    "aiosqlite",
    "django.db",
    "pyodbc",
    "mysql",
    "databases",
    "duckdb",
    "peewee",
    "alembic",
    "flask_sqlalchemy",
)

DJANGO_WRITES = frozenset(
    "create get_or_create update_or_create bulk_create bulk_update acreate aget_or_create update delete aupdate "
    "adelete".split()
)
QUERY_READS = frozenset(
    "all filter filter_by get first one one_or_none get_or_404 first_or_404 order_by count paginate join "
    "options".split()
)
HTTP_DECORATORS = frozenset("get post put patch delete head options websocket".split())
ROUTERS = (
    "flask.Flask",
    "flask.Blueprint",
    "fastapi.FastAPI",
    "fastapi.APIRouter",
    "quart.Quart",
    "quart.Blueprint",
    "starlette.applications.Starlette",
    "sanic.Sanic",
    "sanic.Blueprint",
    "flask_openapi3.APIBlueprint",
    "apiflask.APIFlask",
    "apiflask.APIBlueprint",
    "ninja.Router",
    "ninja.NinjaAPI",
    "litestar.Router",
    "aiohttp.web.RouteTableDef",
    "bottle.Bottle",
)
ROUTE_LIBRARIES = tuple(sorted({name.partition(".")[0] for name in ROUTERS} | {"flask_restx"}))
ROUTER_NAME = ("app", "router", "bp", "api", "blueprint", "routes", "application")
CACHING_DECORATORS = frozenset(
    ("functools.lru_cache", "functools.cache", "django.views.decorators.cache.cache_page", "cachetools.cached")
)
NOISE = frozenset(
    "print len str int float bool list dict set tuple isinstance issubclass getattr setattr hasattr super range "
    "enumerate zip sorted map filter "
    "min max sum any all type repr open iter next append extend join split strip format items keys values get "
    "pop update add lower upper replace "
    "startswith endswith assertEqual assertTrue assertFalse assertIn assertIsNone assertContains assertRaises "
    "encode decode copy sort insert "
    "ValueError TypeError KeyError RuntimeError NotImplementedError Exception property reversed abs round hash "
    "id callable vars".split()
)
METHODS: frozenset[str] = (
    frozenset(name for rules in TYPES.values() for name in rules)
    | DJANGO_WRITES
    | QUERY_READS
    | {
        "delay",
        "apply_async",
        "send_task",
        "save",
        "create_table",
        "Table",
        "path",
        "re_path",
        "url",
        "register",
        "add_url_rule",
        "add_api_route",
        "open",
        "model_dump",
        "model_validate",
        "objects",
    }
    | {name.rpartition(".")[2] for name in FUNCTIONS}
)
