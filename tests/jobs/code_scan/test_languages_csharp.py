"""C#: operations with their evidence, routes, entities, and what is not to be mistaken for one."""

from __future__ import annotations

import time

import pytest

from jobs.code_scan import languages
from tests.jobs.code_scan.analysis import facts, of_type, one, operations

pytestmark = pytest.mark.req("B2")


def test_entity_framework_reads_and_writes_name_their_set() -> None:
    text = """
    using Microsoft.EntityFrameworkCore;
    class Orders(ShopDbContext context) {
        public async Task<Order> Get(int id) {
            return await context.Orders.Where(o => o.Id == id).FirstOrDefaultAsync();
        }
        public async Task Put(Order order) {
            context.Orders.Add(order);
            await context.SaveChangesAsync();
        }
    }
    """
    assert operations("csharp", text) == [
        ("database_read", "Orders", 4, "certain"),
        ("database_write", "Orders", 7, "certain"),
        ("database_write", "SaveChangesAsync", 8, "certain"),
    ]
    assert one("csharp", text, "database_read").function == "Orders.Get"
    assert "DbContext" in one("csharp", text, "database_read").evidence


def test_a_query_expression_over_a_context_reads() -> None:
    text = """
    using Microsoft.EntityFrameworkCore;
    class R { void F(ShopDbContext db) { var q = from o in db.Orders select o; } }
    """
    assert operations("csharp", text) == [("database_read", "Orders", 2, "certain")]


def test_a_query_is_read_where_it_is_run_and_its_result_is_no_query() -> None:
    text = """
    using Microsoft.EntityFrameworkCore;
    class R { async Task F(ShopDbContext db) {
        var query = db.Orders.Where(o => o.Open);
        var orders = await query.ToListAsync();
        var first = orders.First();
        var users = db.Users.ToList();
        if (users.Any()) { users.Add(first); }
    } }
    """
    assert operations("csharp", text) == [
        ("database_read", "Orders", 4, "certain"),
        ("database_read", "Users", 6, "certain"),
    ]


def test_dapper_with_sql_text_names_the_table_and_with_a_procedure_the_procedure() -> None:
    text = """
    using Dapper;
    class R {
        void F() {
            using var connection = new SqlConnection(cs);
            connection.Query<User>("SELECT Id FROM [dbo].[User] WHERE Id = @id", new { id });
            connection.ExecuteAsync("[dbo].[User_DeleteById]", new { id });
        }
    }
    """
    assert operations("csharp", text) == [
        ("database_read", "User", 5, "certain"),
        ("database_write", "User_DeleteById", 6, "certain"),
    ]
    assert one("csharp", text, "database_write").verb == "EXEC"


def test_an_ado_command_is_known_by_its_text() -> None:
    text = """
    using System.Data;
    class R {
        void F(DbCommand command) {
            command.CommandText = "UPDATE stock SET n = 1";
            command.ExecuteNonQuery();
        }
    }
    """
    assert operations("csharp", text) == [("database_write", "stock", 4, "certain")]


def test_http_calls_carry_method_and_address() -> None:
    text = """
    class C {
        private readonly HttpClient _client;
        async Task F(int id) {
            await _client.GetAsync($"/users/{id}?full=1");
            await _client.PostAsJsonAsync("/users", new { });
        }
    }
    """
    assert operations("csharp", text) == [
        ("api_call", "GET /users/{id}", 4, "certain"),
        ("api_call", "POST /users", 5, "certain"),
    ]


def test_caches_are_known_by_declared_type_and_keys_by_constants() -> None:
    text = """
    using Microsoft.Extensions.Caching.Distributed;
    class C {
        const string Key = "users:all";
        IDistributedCache _cache;
        void F() {
            _cache.GetStringAsync(Key);
            _cache.RemoveAsync($"users:{1}");
        }
    }
    """
    assert operations("csharp", text) == [
        ("cache_read", "users:all", 6, "certain"),
        ("cache_write", "users:{1}", 7, "certain"),
    ]


def test_messages_are_named_after_their_type() -> None:
    text = """
    using MassTransit;
    class Submit : IConsumer<SubmitOrder> {
        public async Task Consume(ConsumeContext<SubmitOrder> context) {
            await context.Publish<OrderSubmitted>(new { });
        }
    }
    """
    assert operations("csharp", text) == [
        ("message_receive", "SubmitOrder", 3, "certain"),
        ("message_send", "OrderSubmitted", 4, "certain"),
    ]


def test_files_and_transforms() -> None:
    text = """
    using System.Linq;
    using System.Text.Json;
    class C {
        void F(string path, List<int> xs) {
            File.WriteAllText("/var/out.txt", JsonSerializer.Serialize(xs));
            var lines = File.ReadAllLines(path);
            var ys = xs.Select(x => x + 1);
        }
    }
    """
    assert operations("csharp", text) == [
        ("data_transform", "JsonSerializer.Serialize", 5, "certain"),
        ("file_write", "/var/out.txt", 5, "certain"),
        ("file_read", "path", 6, "certain"),
        ("data_transform", "Select", 7, "certain"),
    ]


def test_controller_routes_join_prefix_and_template() -> None:
    text = """
    using Microsoft.AspNetCore.Mvc;
    [ApiController]
    [Route("api/[controller]")]
    public class UsersController : ControllerBase {
        [HttpGet("{id:guid}")]
        public User Get(Guid id) => null;
        [HttpPost]
        public void Post() { }
    }
    """
    assert of_type("csharp", text, "route") == [
        ("route", "GET /api/users/{id}", 5, "certain"),
        ("route", "POST /api/users", 7, "certain"),
    ]
    assert [node.function for node in facts("csharp", text).nodes if node.type == "route"] == [
        "UsersController.Get",
        "UsersController.Post",
    ]


def test_minimal_api_routes_join_their_groups_and_inline_handlers_own_their_operations() -> None:
    text = """
    class Api {
        void Map(WebApplication app, ShopDbContext db) {
            var api = app.MapGroup("api/orders");
            api.MapGet("/{id:int}", GetOrder);
            api.MapPost("/", () => { db.Orders.AddAsync(o); });
        }
    }
    """
    found = facts("csharp", text).nodes
    routes = [(node.name, node.function) for node in found if node.type == "route"]
    assert routes == [("GET /api/orders/{id}", "Api.GetOrder"), ("POST /api/orders", "Api.Map.POST /api/orders")]
    (write,) = (node for node in found if node.type == "database_write")
    assert write.function == "Api.Map.POST /api/orders"


def test_entities_and_tables_come_from_sets_attributes_and_configuration() -> None:
    text = """
    class ShopDbContext : DbContext {
        public DbSet<Order> Orders { get; set; }
    }
    [Table("stock_unit")]
    class StockUnit { }
    class Config : IEntityTypeConfiguration<Buyer> {
        public void Configure(EntityTypeBuilder<Buyer> b) { b.ToTable("buyers"); }
    }
    """
    found = [(node.name, node.target) for node in facts("csharp", text).nodes if node.type == "entity"]
    assert found == [("Order", "Orders"), ("StockUnit", "stock_unit"), ("Buyer", "buyers")]


def test_calls_name_the_receivers_declared_type() -> None:
    text = """
    class A(IMailer mailer) {
        void F() { mailer.Post(); this.G(); H(); }
    }
    """
    assert [(call.callee, call.receiver) for call in facts("csharp", text).calls] == [
        ("Post", "IMailer"),
        ("G", "self"),
        ("H", ""),
    ]


@pytest.mark.parametrize(
    "body",
    [
        "debugElement.Query(x);",
        "dictionary.Get(key); list.Add(item); set.Remove(item);",
        "var x = items.FirstOrDefault();",
        'builder.Add("x"); task.Send(1); thing.Publish(2);',
        'File(bytes, "text/plain");',
        "logger.Write(text); reader.Read();",
        'var text = "Select a user from the list";',
        "_mediator.Send(x);",
        '// connection.Query("SELECT a FROM b");',
    ],
)
def test_a_methods_name_alone_is_not_evidence(body: str) -> None:
    assert operations("csharp", "class C { void F(Thing thing) { " + body + " } }") == []


def test_the_set_up_of_a_test_double_is_not_an_operation() -> None:
    text = """
    using Microsoft.Extensions.Caching.Distributed;
    class T { IDistributedCache _cache; void F() { _cache.GetAsync(Arg.Any<string>()).Returns(x); } }
    """
    assert operations("csharp", text) == []


@pytest.mark.slow
def test_files_of_normal_size_are_analyzed_at_a_pace() -> None:
    """The floor is far below what a quiet core does (over 500 a second), so that only a real slip fails."""
    method = """
        [HttpGet("{id}/part%d")]
        public async Task<IActionResult> Get%d(Guid id, string name)
        {
            var item = await _context.Items.Where(i => i.Id == id && i.Name == name).FirstOrDefaultAsync();
            if (item == null) { throw new NotFoundException(); }
            _logger.LogInformation("Read {Id} of {Name}", id, name);
            var names = item.Parts.Select(part => part.Name).ToList();
            await _mailer.SendAsync(new Mail { To = name, Subject = "Read", Lines = names });
            return Ok(new ItemModel(item, names));
        }
    """
    body = "".join(method % (number, number) for number in range(18))
    head = "using Microsoft.EntityFrameworkCore;\nusing Microsoft.AspNetCore.Mvc;\n"
    text = f"{head}public class C : Controller {{ ShopDbContext _context; {body} }}"
    source = text.encode()
    assert 8_000 < len(source) < 14_000
    languages.analyze("warm.cs", "csharp", source)
    started = time.process_time()
    for _ in range(60):
        languages.analyze("a.cs", "csharp", source)
    assert 60 / (time.process_time() - started) > 120
