"""What JavaScript and TypeScript libraries do, by full name: (operation, HTTP verb or None, where the target is).

A full name is the module, a dot, and what is imported from it ("@angular/common/http.HttpClient"); a global is its
bare name. The target is a position ("0"), "model" (the type argument of the receiver), "member" (the member before the
method: prisma.user.findMany), "key:topic" (a property of the first argument), "name" or "" (not known).
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


HTTP: Rules = {name: (API_CALL, name.upper(), "0") for name in "get post put patch delete head options".split()} | {
    "request": (API_CALL, None, "request"),
    "del": (API_CALL, "DELETE", "0"),
    "jsonp": (API_CALL, "GET", "0"),
    "postForm": (API_CALL, "POST", "0"),
}
_FS_READS = "readFile readdir createReadStream readJson readJSON opendir"
_FS_WRITES = (
    "writeFile appendFile createWriteStream unlink mkdir rm rmdir mkdirp ensureDir outputFile outputJson "
    "writeJson writeJSON remove "
    "emptyDir mkdtemp"
)
_FS: Rules = (
    _rules(FILE_READ, "0", " ".join(f"{name} {name}Sync" for name in _FS_READS.split()))
    | _rules(FILE_WRITE, "0", " ".join(f"{name} {name}Sync" for name in _FS_WRITES.split()))
    | _rules(FILE_WRITE, "1", "copyFile copyFileSync rename renameSync copy copySync move moveSync")
)
_REDIS: Rules = (
    _rules(CACHE_READ, "0", "get mget hget hgetall hGet hGetAll exists lrange smembers zrange ttl keys scan getBuffer")
    | _rules(
        CACHE_WRITE,
        "0",
        "set setex setEx setnx mset hset hSet del expire incr decr lpush rpush sadd zadd hdel unlink pexpire",
    )
    | _rules(MESSAGE_SEND, "0", "publish xadd")
    | _rules(MESSAGE_RECEIVE, "0", "subscribe psubscribe")
)
_CACHE: Rules = _rules(CACHE_READ, "0", "get has peek wrap fetch") | _rules(
    CACHE_WRITE, "0", "set del delete reset clear mset"
)
_STORAGE: Rules = _rules(CACHE_READ, "0", "getItem") | _rules(CACHE_WRITE, "0", "setItem removeItem clear")
TYPEORM_READS = (
    "find findOne findOneBy findBy findAndCount findAndCountBy findOneOrFail findOneByOrFail count countBy query "
    "exist exists existsBy"
)
TYPEORM_WRITES = "save insert update delete remove softDelete softRemove upsert restore increment decrement clear"
_TYPEORM: Rules = _rules(DATABASE_READ, "model", TYPEORM_READS + " createQueryBuilder") | _rules(
    DATABASE_WRITE, "model", TYPEORM_WRITES
)
MODEL_READS = frozenset(
    "findOne findById findAll findByPk findAndCountAll findAndCount countDocuments estimatedDocumentCount "
    "aggregate distinct exists find count "
    "paginate findOneOrFail findBy findOneBy findUnique scope unscoped".split()
)
MODEL_WRITES = frozenset(
    "create insertMany updateOne updateMany deleteOne deleteMany findByIdAndUpdate findByIdAndDelete "
    "findOneAndUpdate findOneAndDelete "
    "findByIdAndRemove findOneAndRemove bulkCreate bulkWrite findOrCreate upsert destroy update replaceOne "
    "increment truncate".split()
)
_MODEL: Rules = _rules(DATABASE_READ, "model", " ".join(sorted(MODEL_READS))) | _rules(
    DATABASE_WRITE, "model", " ".join(sorted(MODEL_WRITES))
)
_PRISMA: Rules = _rules(
    DATABASE_READ, "member", "findMany findUnique findFirst findUniqueOrThrow findFirstOrThrow aggregate groupBy count"
) | _rules(DATABASE_WRITE, "member", "create createMany createManyAndReturn update updateMany upsert delete deleteMany")
MONGO_READS = frozenset("find findOne aggregate countDocuments distinct".split())
MONGO_WRITES = frozenset(
    "insertOne insertMany updateOne updateMany deleteOne deleteMany replaceOne bulkWrite findOneAndUpdate".split()
)
_SOCKET: Rules = _rules(MESSAGE_SEND, "0", "emit emitWithAck send") | _rules(MESSAGE_RECEIVE, "0", "on once")
_AMQP: Rules = (
    _rules(MESSAGE_SEND, "0", "sendToQueue")
    | _rules(MESSAGE_SEND, "1", "publish")
    | _rules(MESSAGE_RECEIVE, "0", "consume")
)
_QUEUE: Rules = _rules(MESSAGE_SEND, "0", "add addBulk") | _rules(MESSAGE_RECEIVE, "0", "process")
_SQL: Rules = _rules(DATABASE_READ, "sql", "query execute raw $queryRaw $queryRawUnsafe $executeRaw all run prepare")

# Full name of a class, function or object → rules for methods of it or of what it gives.
TYPES: dict[str, Rules] = {
    **dict.fromkeys(
        (
            "axios",
            "axios.create",
            "axios.AxiosInstance",
            "ky",
            "ky.create",
            "got",
            "superagent",
            "supertest",
            "needle",
            "wretch",
            "@angular/common/http.HttpClient",
            "@nestjs/axios.HttpService",
            "undici",
            "request",
            "request-promise",
            "@nuxtjs/axios.$axios",
        ),
        HTTP,
    ),
    "fs": _FS,
    **dict.fromkeys(
        ("ioredis", "ioredis.Redis", "redis.createClient", "redis", "@upstash/redis.Redis", "ioredis.Cluster"), _REDIS
    ),
    **dict.fromkeys(
        (
            "cache-manager",
            "cache-manager.Cache",
            "@nestjs/cache-manager.Cache",
            "lru-cache",
            "lru-cache.LRUCache",
            "node-cache",
            "keyv",
            "cache-manager.caching",
        ),
        _CACHE,
    ),
    **dict.fromkeys(("localStorage", "sessionStorage", "window.localStorage", "window.sessionStorage"), _STORAGE),
    **dict.fromkeys(
        (
            "typeorm.Repository",
            "typeorm.EntityManager",
            "typeorm.TreeRepository",
            "typeorm.MongoRepository",
            "@mikro-orm/core.EntityRepository",
        ),
        _TYPEORM,
    ),
    **dict.fromkeys(
        ("mongoose.Model", "mongoose.model", "sequelize.Model", "sequelize-typescript.Model", "mongoose.PaginateModel"),
        _MODEL,
    ),
    **dict.fromkeys(("@prisma/client.PrismaClient", "PrismaClient", "PrismaService"), _PRISMA | _SQL),
    **dict.fromkeys(
        (
            "pg.Pool",
            "pg.Client",
            "mysql2.createConnection",
            "mysql2.createPool",
            "mysql.createConnection",
            "mysql.createPool",
            "mysql2/promise.createPool",
            "mysql2/promise.createConnection",
            "better-sqlite3",
            "typeorm.DataSource",
            "typeorm.QueryRunner",
            "sequelize.Sequelize",
            "@vercel/postgres.sql",
            "knex",
            "sqlite3.Database",
        ),
        _SQL,
    ),
    **dict.fromkeys(
        (
            "socket.io",
            "socket.io.Server",
            "socket.io.Socket",
            "socket.io-client",
            "socket.io-client.io",
            "socket.io-client.Socket",
        ),
        _SOCKET,
    ),
    **dict.fromkeys(
        (
            "amqplib.Channel",
            "amqplib.ConfirmChannel",
            "amqp-connection-manager.ChannelWrapper",
            "amqplib.createChannel",
        ),
        _AMQP,
    ),
    "@nestjs/microservices.ClientProxy": _rules(MESSAGE_SEND, "0", "emit send"),
    "@nestjs/microservices.ClientKafka": _rules(MESSAGE_SEND, "0", "emit send"),
    "@nestjs/event-emitter.EventEmitter2": _rules(MESSAGE_SEND, "0", "emit emitAsync"),
    "@nestjs/cqrs.CommandBus": _rules(MESSAGE_SEND, "made", "execute"),
    "@nestjs/cqrs.EventBus": _rules(MESSAGE_SEND, "made", "publish"),
    "@nestjs/cqrs.QueryBus": _rules(MESSAGE_SEND, "made", "execute"),
    **dict.fromkeys(("bullmq.Queue", "bull.Queue", "bull"), _QUEUE),
    "kafkajs.producer": _rules(MESSAGE_SEND, "key:topic", "send"),
    "kafkajs.consumer": _rules(MESSAGE_RECEIVE, "key:topic", "subscribe"),
    "WebSocket": _rules(MESSAGE_SEND, "", "send"),
    "XMLHttpRequest": {"open": (API_CALL, None, "xhr")},
    "JSON": _rules(DATA_TRANSFORM, "name", "parse stringify"),
    "lodash": _rules(
        DATA_TRANSFORM,
        "name",
        "groupBy keyBy mapValues mapKeys orderBy sortBy uniqBy partition chunk pick omit merge flatten countBy "
        "map reduce",
    ),
    "class-transformer": _rules(DATA_TRANSFORM, "name", "plainToInstance plainToClass instanceToPlain classToPlain"),
    "yaml": _rules(DATA_TRANSFORM, "name", "parse stringify"),
    "js-yaml": _rules(DATA_TRANSFORM, "name", "load dump"),
}
MODULES = {
    "fs/promises": "fs",
    "fs-extra": "fs",
    "graceful-fs": "fs",
    "lodash-es": "lodash",
    "es-toolkit": "lodash",
    "es-toolkit/compat": "lodash",
    "underscore": "lodash",
}
# A method on something made by a library gives another of its things.
GIVES = {
    ("kafkajs", "producer"): "kafkajs.producer",
    ("kafkajs", "consumer"): "kafkajs.consumer",
    ("amqplib", "createChannel"): "amqplib.createChannel",
    ("typeorm", "getRepository"): "typeorm.Repository",
    ("axios", "create"): "axios.create",
    ("redis", "createClient"): "redis.createClient",
}
GLOBALS = frozenset(("localStorage", "sessionStorage", "JSON", "window"))
FUNCTIONS = frozenset(
    (
        "fetch",
        "axios",
        "got",
        "ky",
        "node-fetch",
        "cross-fetch",
        "request",
        "superagent",
        "isomorphic-fetch",
        "undici.fetch",
        "undici.request",
    )
)

EXPRESS = (
    "express",
    "express.Router",
    "express.router",
    "koa-router",
    "@koa/router",
    "fastify",
    "fastify.fastify",
    "hono",
    "hono.Hono",
    "restify",
    "polka",
    "find-my-way",
    "fastify.FastifyInstance",
    "express.Application",
    "express.Express",
    "@hono/zod-openapi.OpenAPIHono",
    "elysia.Elysia",
)
ROUTE_LIBRARIES = ("express", "koa-router", "@koa/router", "fastify", "hono", "restify", "polka")
ROUTE_VERBS = {
    "get": "GET",
    "post": "POST",
    "put": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
    "del": "DELETE",
    "all": "ANY",
    "head": "HEAD",
    "options": "OPTIONS",
}
NEST_VERBS = {
    "Get": "GET",
    "Post": "POST",
    "Put": "PUT",
    "Patch": "PATCH",
    "Delete": "DELETE",
    "All": "ANY",
    "Head": "HEAD",
    "Sse": "GET",
    "Options": "OPTIONS",
}
NEST_MESSAGES = {
    "MessagePattern": "Nest message pattern",
    "EventPattern": "Nest event pattern",
    "SubscribeMessage": "Nest gateway message",
    "OnEvent": "Nest event listener",
    "Process": "Bull processor",
    "OnQueueActive": "Bull processor",
    "Cron": "",
}
API_NAMES = (
    "api",
    "http",
    "client",
    "axios",
    "request",
    "apiclient",
    "httpclient",
    "$http",
    "instance",
    "fetcher",
    "$axios",
)
UI_EVENTS = {
    "onClick": "click",
    "onSubmit": "submit",
    "onChange": "change",
    "onDoubleClick": "dblclick",
    "onPress": "press",
    "onDrop": "drop",
    "onSelect": "select",
    "onBlur": "blur",
    "onKeyDown": "keydown",
}
WRAPPERS_NOT_FUNCTIONS = frozenset(
    "setTimeout setInterval describe it test expect useMemo useState useEffect require computed createSelector "
    "Array Promise sql css styled watch effect requestAnimationFrame memoize once".split()
)
NOISE = frozenset(
    "push pop shift unshift slice splice indexOf includes concat join split replace trim toString forEach "
    "filter some every find sort keys entries "
    "values then catch finally log warn error info debug test match expect toBe toEqual toHaveBeenCalled "
    "describe it beforeEach afterEach "
    "querySelector querySelectorAll addEventListener removeEventListener getElementById setTimeout clearTimeout "
    "require assign freeze "
    "useState useEffect useRef useMemo useContext useCallback subscribe pipe next from of startsWith endsWith "
    "toLowerCase toUpperCase String Number "
    "Boolean isArray max min floor round resolve reject all parseInt parseFloat detectChanges query inject "
    "super Error Date call apply bind".split()
)
METHODS: frozenset[str] = (
    frozenset(name for rules in TYPES.values() for name in rules)
    | ROUTE_VERBS.keys()
    | MODEL_READS
    | MODEL_WRITES
    | MONGO_READS
    | MONGO_WRITES
    | FUNCTIONS
    | {"map", "reduce", "flatMap", "route", "select", "insert", "from", "sendBeacon", "knex", "db"}
)
