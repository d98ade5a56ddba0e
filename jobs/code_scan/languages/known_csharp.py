"""What C# libraries do, by declared type and method: (operation, HTTP verb or None, where the target is).

The target is "0", "1" (that argument), "type" (the type argument or the type of the first argument), "sql" (SQL text or
a procedure's name in the first argument), "command" (the text the command was made with) or "" (not known).
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


def _rules(operation: str, target: str, names: str, verb: str | None = None) -> dict[str, Rule]:
    return {
        full: (operation, verb, target)
        for name in names.split()
        for full in ((name[:-1], name[:-1] + "Async") if name.endswith("+") else (name,))
    }


_HTTP = (
    _rules(
        API_CALL,
        "0",
        "Get+ GetString+ GetByteArray+ GetStream+ GetFromJson+ GetFromJsonAsAsyncEnumerable GetJson+",
        "GET",
    )
    | _rules(API_CALL, "0", "Post+ PostAsJson+ PostJson+", "POST")
    | _rules(API_CALL, "0", "Put+ PutAsJson+ PutJson+", "PUT")
    | _rules(API_CALL, "0", "Patch+ PatchAsJson+", "PATCH")
    | _rules(API_CALL, "0", "Delete+ DeleteFromJson+", "DELETE")
    | _rules(API_CALL, "request", "Send+ Execute+")
    | _rules(API_CALL, "0", "DownloadString+ DownloadStringTaskAsync DownloadData+ DownloadFile+", "GET")
)
_DISTRIBUTED = _rules(CACHE_READ, "0", "Get+ GetString+ TryGetValue+ TryGet+") | _rules(
    CACHE_WRITE, "0", "Set+ SetString+ Remove+ Refresh+"
)
_MEMORY = (
    _rules(CACHE_READ, "0", "Get TryGetValue")
    | _rules(CACHE_WRITE, "0", "Set Remove CreateEntry")
    | _rules(CACHE_READ, "0", "GetOrCreate+ GetOrSet+")
)
_HYBRID = _rules(CACHE_READ, "0", "GetOrCreate+ GetOrSet+ TryGet+ GetOrDefault+") | _rules(
    CACHE_WRITE, "0", "Set+ Remove+ RemoveByTag+ Expire+"
)
_REDIS = _rules(
    CACHE_READ,
    "0",
    "StringGet+ HashGet+ HashGetAll+ KeyExists+ SetMembers+ ListRange+ SortedSetRangeByScore+ StringGetLease+ "
    "SetContains+",
) | _rules(
    CACHE_WRITE,
    "0",
    "StringSet+ HashSet+ KeyDelete+ KeyExpire+ SetAdd+ SetRemove+ ListRightPush+ ListLeftPush+ StringIncrement+ "
    "HashDelete+ SortedSetAdd+",
)
_CONNECTION = (
    _rules(
        DATABASE_READ,
        "sql",
        "Query+ QueryFirst+ QueryFirstOrDefault+ QuerySingle+ QuerySingleOrDefault+ QueryMultiple+ "
        "ExecuteReader+ QueryUnbufferedAsync",
    )
    | _rules(DATABASE_WRITE, "sql", "Execute+")
    | _rules(DATABASE_READ, "sql", "ExecuteScalar+")
)
_COMMAND = _rules(DATABASE_READ, "command", "ExecuteReader+ ExecuteScalar+") | _rules(
    DATABASE_WRITE, "command", "ExecuteNonQuery+"
)
_BUS = _rules(MESSAGE_SEND, "type", "Publish+ Send+ SchedulePublish+ ScheduleSend+ PublishBatch+ RespondAsync")
_FILE = (
    _rules(
        FILE_READ,
        "0",
        "ReadAllText+ ReadAllBytes+ ReadAllLines+ ReadLines+ OpenRead OpenText",
    )
    | _rules(
        FILE_WRITE,
        "0",
        "WriteAllText+ WriteAllBytes+ WriteAllLines+ AppendAllText+ AppendAllLines+ AppendText OpenWrite Create "
        "CreateText Delete",
    )
    | _rules(FILE_WRITE, "1", "Copy Move Replace")
    | _rules(FILE_READ, "0", "Open")
)
_DIRECTORY = (
    _rules(
        FILE_READ,
        "0",
        "EnumerateFiles GetFiles GetDirectories EnumerateDirectories EnumerateFileSystemEntries GetFileSystemEntries",
    )
    | _rules(FILE_WRITE, "0", "CreateDirectory Delete")
    | _rules(FILE_WRITE, "1", "Move")
)
_JSON = _rules(
    DATA_TRANSFORM,
    "name",
    "Serialize+ Deserialize+ SerializeToUtf8Bytes SerializeObject DeserializeObject "
    "SerializeToElement SerializeToDocument SerializeToNode DeserializeAsyncEnumerable PopulateObject",
)

# Declared type → (the namespace whose import makes it certain, rules). "System…" namespaces are always in reach.
TYPES: dict[str, tuple[str, dict[str, Rule]]] = {
    "HttpClient": ("System.Net.Http", _HTTP),
    "WebClient": ("System.Net", _HTTP),
    "RestClient": ("RestSharp", _HTTP),
    "IRestClient": ("RestSharp", _HTTP),
    "IFlurlClient": ("Flurl", _HTTP),
    "File": ("System.IO", _FILE),
    "Directory": ("System.IO", _DIRECTORY),
    "IDistributedCache": ("Microsoft.Extensions.Caching", _DISTRIBUTED),
    "IMemoryCache": ("Microsoft.Extensions.Caching", _MEMORY),
    "MemoryCache": ("Microsoft.Extensions.Caching", _MEMORY),
    "HybridCache": ("Microsoft.Extensions.Caching", _HYBRID),
    "IFusionCache": ("ZiggyCreatures.Caching", _HYBRID),
    "IDatabase": ("StackExchange.Redis", _REDIS),
    "IDatabaseAsync": ("StackExchange.Redis", _REDIS),
    "ISubscriber": (
        "StackExchange.Redis",
        _rules(MESSAGE_SEND, "0", "Publish+") | _rules(MESSAGE_RECEIVE, "0", "Subscribe+"),
    ),
    **dict.fromkeys(
        "SqlConnection NpgsqlConnection MySqlConnection SqliteConnection IDbConnection DbConnection "
        "OracleConnection".split(),
        ("Dapper", _CONNECTION),
    ),
    **dict.fromkeys(
        "SqlCommand NpgsqlCommand MySqlCommand SqliteCommand IDbCommand DbCommand OracleCommand OleDbCommand".split(),
        ("System.Data", _COMMAND),
    ),
    **dict.fromkeys(
        "IPublishEndpoint IBus IBusControl ISendEndpoint ISendEndpointProvider ConsumeContext".split(),
        ("MassTransit", _BUS),
    ),
    "IRequestClient": ("MassTransit", _rules(MESSAGE_SEND, "type", "GetResponse")),
    "IMessageSession": ("NServiceBus", _BUS),
    "IMessageHandlerContext": ("NServiceBus", _BUS),
    "IEndpointInstance": ("NServiceBus", _BUS),
    "IMediator": ("MediatR", _BUS),
    "ISender": ("MediatR", _BUS),
    "IPublisher": ("MediatR", _BUS),
    "ICapPublisher": ("DotNetCore.CAP", _rules(MESSAGE_SEND, "0", "Publish+")),
    "IProducer": ("Confluent.Kafka", _rules(MESSAGE_SEND, "0", "Produce+")),
    "IModel": (
        "RabbitMQ.Client",
        _rules(MESSAGE_SEND, "1", "BasicPublish+") | _rules(MESSAGE_RECEIVE, "0", "BasicConsume+ BasicGet+"),
    ),
    "IChannel": (
        "RabbitMQ.Client",
        _rules(MESSAGE_SEND, "1", "BasicPublish+") | _rules(MESSAGE_RECEIVE, "0", "BasicConsume+ BasicGet+"),
    ),
    "ServiceBusSender": (
        "Azure.Messaging.ServiceBus",
        _rules(MESSAGE_SEND, "", "SendMessage+ SendMessages+ ScheduleMessage+"),
    ),
    "ServiceBusReceiver": (
        "Azure.Messaging.ServiceBus",
        _rules(MESSAGE_RECEIVE, "", "ReceiveMessage+ ReceiveMessages+"),
    ),
    "ServiceBusProcessor": ("Azure.Messaging.ServiceBus", _rules(MESSAGE_RECEIVE, "", "StartProcessing+")),
    "QueueClient": (
        "Azure.Storage.Queues",
        _rules(MESSAGE_SEND, "", "SendMessage+") | _rules(MESSAGE_RECEIVE, "", "ReceiveMessage+ ReceiveMessages+"),
    ),
    "IAmazonSQS": (
        "Amazon.SQS",
        _rules(MESSAGE_SEND, "", "SendMessage+") | _rules(MESSAGE_RECEIVE, "", "ReceiveMessage+"),
    ),
    "IHubContext": ("Microsoft.AspNetCore.SignalR", _rules(MESSAGE_SEND, "0", "SendAsync SendCoreAsync")),
    "HubConnection": (
        "Microsoft.AspNetCore.SignalR",
        _rules(MESSAGE_SEND, "0", "SendAsync InvokeAsync") | _rules(MESSAGE_RECEIVE, "0", "On"),
    ),
    "JsonSerializer": ("System.Text.Json", _JSON),
    "JsonConvert": ("Newtonsoft.Json", _JSON),
    "XmlSerializer": ("System.Xml", _rules(DATA_TRANSFORM, "name", "Serialize Deserialize")),
    "IMapper": ("AutoMapper", _rules(DATA_TRANSFORM, "name", "Map ProjectTo")),
}
AMBIGUOUS = frozenset(
    "IModel IChannel ISender IPublisher IDatabase IMapper IProducer IBus IPublishEndpoint QueueClient "
    "RestClient".split()
)

# A receiver without a declared type in this file: its name by convention → type, believed when the library is imported.
CONVENTIONS = {
    "httpclient": "HttpClient",
    "distributedcache": "IDistributedCache",
    "memorycache": "IMemoryCache",
    "hybridcache": "HybridCache",
    "mediator": "IMediator",
    "mapper": "IMapper",
    "publishendpoint": "IPublishEndpoint",
    "producer": "IProducer",
    "connection": "DbConnection",
    "hubcontext": "IHubContext",
    "channel": "IChannel",
}

EF_READS = frozenset(
    name + suffix
    for name in "ToList ToArray ToDictionary First FirstOrDefault Single SingleOrDefault Last LastOrDefault Any "
    "All Count "
    "LongCount Sum Max Min Average Find Load ForEach".split()
    for suffix in ("", "Async")
) | {"AsAsyncEnumerable", "FromSqlRaw", "FromSqlInterpolated", "FromSql", "SqlQuery", "SqlQueryRaw"}
EF_ONLY = frozenset(name for name in EF_READS if name.endswith("Async"))
EF_WRITES = frozenset(
    "Add AddAsync AddRange AddRangeAsync Update UpdateRange Remove RemoveRange Attach AttachRange SaveChanges "
    "SaveChangesAsync "
    "ExecuteUpdate ExecuteUpdateAsync ExecuteDelete ExecuteDeleteAsync ExecuteSqlRaw ExecuteSqlRawAsync "
    "ExecuteSqlInterpolated "
    "ExecuteSqlInterpolatedAsync ExecuteSql ExecuteSqlAsync BulkCopyAsync BulkInsertAsync BulkInsert".split()
)
EF_SQL = frozenset(name for name in EF_READS | EF_WRITES if "Sql" in name)
LINQ = frozenset("Select SelectMany GroupBy Aggregate ToDictionary ToLookup Zip GroupJoin".split())

HTTP_ATTRIBUTES = {
    "HttpGet": "GET",
    "HttpPost": "POST",
    "HttpPut": "PUT",
    "HttpDelete": "DELETE",
    "HttpPatch": "PATCH",
    "HttpHead": "HEAD",
    "HttpOptions": "OPTIONS",
}
REFIT_ATTRIBUTES = {"Get": "GET", "Post": "POST", "Put": "PUT", "Delete": "DELETE", "Patch": "PATCH"}
MAP_METHODS = {"MapGet": "GET", "MapPost": "POST", "MapPut": "PUT", "MapDelete": "DELETE", "MapPatch": "PATCH"}
CONSUMERS = {
    "IConsumer": "MassTransit consumer",
    "IHandleMessages": "message handler",
    "IRequestHandler": "MediatR request handler",
    "INotificationHandler": "MediatR notification handler",
    "IIntegrationEventHandler": "integration event handler",
    "ICommandHandler": "command handler",
}

# Methods of the framework that are never a project's own function, not worth a call record.
NOISE = frozenset(
    "ToString Equals GetHashCode GetType Add AddRange Remove Contains ContainsKey Where Select SelectMany Any "
    "All First "
    "FirstOrDefault Single SingleOrDefault Count ToList ToArray ToListAsync OrderBy OrderByDescending ThenBy "
    "Take Skip Distinct "
    "Concat Join Split Trim Replace StartsWith EndsWith Format IsNullOrEmpty IsNullOrWhiteSpace Append "
    "AppendLine TryGetValue "
    "nameof Assert Equal NotNull Null True False Returns Received DidNotReceive GetDependency Is Throws "
    "ThrowsAsync ConfigureAwait "
    "HasColumnType HasMaxLength ValueGeneratedOnAdd IsRequired LogInformation LogWarning LogError LogDebug "
    "Dispose Substring "
    "ToLower ToUpper ToLowerInvariant ToUpperInvariant Parse TryParse CreateScope GetRequiredService GetService "
    "AddScoped "
    "AddSingleton AddTransient Invoke GetValueOrDefault HasValue Max Min Sum GroupBy ToDictionary ToHashSet "
    "Cast OfType Task "
    "FromResult WhenAll Run Delay".split()
)

METHODS: frozenset[str] = (
    frozenset(name for _, rules in TYPES.values() for name in rules)
    | EF_READS
    | EF_WRITES
    | LINQ
    | MAP_METHODS.keys()
    | {"MapGroup", "MapMethods", "ToTable", "CreateTable", "MapHub", "ToView"}
)
