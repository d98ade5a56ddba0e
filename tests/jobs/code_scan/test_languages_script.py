"""TypeScript, TSX and JavaScript: operations with evidence, routes, clicks, and what is not to be mistaken for one."""

from __future__ import annotations

import pytest

from tests.jobs.code_scan.analysis import facts, of_type, one, operations

pytestmark = pytest.mark.req("B2")


def test_fetch_and_axios_carry_method_and_address() -> None:
    text = """
    import axios from "axios";
    const api = axios.create({ baseURL: "/api" });
    export async function load(id: string) {
      await fetch(`/api/users/${id}?x=1`);
      await fetch("/api/users", { method: "POST", body });
      return api.delete("/users/" + id);
    }
    """
    assert operations("typescript", text) == [
        ("api_call", "GET /api/users/{id}", 4, "certain"),
        ("api_call", "POST /api/users", 5, "certain"),
        ("api_call", "DELETE /users/{id}", 6, "certain"),
    ]


def test_angulars_client_is_known_by_its_declared_type() -> None:
    text = """
    import { HttpClient } from "@angular/common/http";
    export class UserService {
      constructor(private readonly http: HttpClient) {}
      load() { return this.http.get<User[]>("/users"); }
    }
    """
    node = one("typescript", text, "api_call")
    assert (node.name, node.function, node.confidence) == ("GET /users", "UserService.load", 1.0)
    assert "@angular/common/http.HttpClient" in node.evidence


def test_a_receiver_named_like_a_client_needs_a_path_and_is_only_likely() -> None:
    text = """
    import { client } from "./client";
    export const f = () => { client.post("/documents.info"); client.post(name); };
    """
    assert operations("typescript", text) == [("api_call", "POST /documents.info", 2, "likely")]


def test_databases_through_prisma_typeorm_mongoose_and_sql() -> None:
    prisma = """
    import { PrismaClient } from "@prisma/client";
    const prisma = new PrismaClient();
    export const f = async () => { await prisma.user.findMany({}); await prisma.order.create({}); };
    """
    assert operations("typescript", prisma) == [
        ("database_read", "user", 3, "certain"),
        ("database_write", "order", 3, "certain"),
    ]
    typeorm = """
    import { Repository } from "typeorm";
    class S {
      constructor(@InjectRepository(User) private readonly users: Repository<User>) {}
      async f() { await this.users.findOneBy({}); await this.users.save(u); }
    }
    """
    assert operations("typescript", typeorm) == [
        ("database_read", "User", 4, "certain"),
        ("database_write", "User", 4, "certain"),
    ]
    mongoose = """
    const mongoose = require("mongoose");
    const User = mongoose.model("User", schema);
    module.exports.f = async () => User.findById(1);
    """
    assert operations("javascript", mongoose) == [("database_read", "User", 3, "certain")]
    sql = """
    import { Pool } from "pg";
    const pool = new Pool();
    export const f = (id) => pool.query(`UPDATE stock SET n = ${id} WHERE id = $1`, [id]);
    """
    assert operations("javascript", sql) == [("database_write", "stock", 3, "certain")]


def test_files_caches_and_messages() -> None:
    text = """
    import { readFile } from "node:fs/promises";
    import fs from "fs";
    import { Redis } from "ioredis";
    import { io } from "socket.io-client";
    const redis = new Redis();
    const socket = io("/");
    export async function f(path: string) {
      await readFile("a.txt");
      fs.writeFileSync(path, "x");
      await redis.get("stock:1");
      localStorage.setItem("theme", "dark");
      socket.emit("labels.requested", {});
      socket.on("labels.done", g);
    }
    """
    assert operations("typescript", text) == [
        ("file_read", "a.txt", 8, "certain"),
        ("file_write", "path", 9, "certain"),
        ("cache_read", "stock:1", 10, "certain"),
        ("cache_write", "theme", 11, "certain"),
        ("message_send", "labels.requested", 12, "certain"),
        ("message_receive", "labels.done", 13, "certain"),
    ]


def test_transforms_need_a_list_and_a_function() -> None:
    text = """
    import { groupBy } from "lodash";
    export function f(xs: number[], o: Foo) {
      JSON.parse(o.text);
      xs.map(x => x + 1);
      Object.entries(o).map(([k, v]) => k);
      groupBy(o, "a");
      o.map(x => x);
      xs.map(render);
    }
    """
    assert operations("typescript", text) == [
        ("data_transform", "JSON.parse", 3, "certain"),
        ("data_transform", "map", 4, "certain"),
        ("data_transform", "map", 5, "likely"),
        ("data_transform", "groupBy", 6, "certain"),
    ]


def test_routes_of_express_nest_and_next() -> None:
    express = """
    const express = require("express");
    const router = express.Router();
    router.get("/users/:id", auth, userController.get);
    router.post("/users", async (req, res) => { res.send(JSON.stringify(req)); });
    app.get("setting");
    """
    found = facts("javascript", express).nodes
    assert [(node.name, node.function) for node in found if node.type == "route"] == [
        ("GET /users/{id}", "userController.get"),
        ("POST /users", "POST /users"),
    ]
    assert one("javascript", express, "data_transform").function == "POST /users"
    nest = """
    import { Controller, Get } from "@nestjs/common";
    @Controller("cats")
    export class CatsController {
      @Get(":id")
      find(@Param("id") id: string) {}
    }
    """
    assert of_type("typescript", nest, "route") == [("route", "GET /cats/{id}", 4, "certain")]
    assert one("typescript", nest, "route").function == "CatsController.find"
    following = "export async function POST(request: Request) {}\n"
    assert of_type("typescript", following, "route", path="web/app/(shop)/api/orders/[id]/route.ts") == [
        ("route", "POST /api/orders/{id}", 1, "certain")
    ]


def test_clicks_in_jsx_are_named_by_their_label_and_handler() -> None:
    text = """
    export const Station = () => {
      const print = async () => { await fetch("/labels", { method: "POST" }); };
      return <form onSubmit={(event) => { event.preventDefault(); print(); }}>
        <button onClick={print}>Print label</button></form>;
    };
    """
    triggers = [(node.name, node.verb, node.function) for node in facts("tsx", text).nodes if node.type == "ui_trigger"]
    assert triggers == [('submit "Print label"', "submit", "print"), ('click "Print label"', "click", "print")]


def test_a_translated_label_is_read_and_code_is_none() -> None:
    text = """
    export const F = () => <><Button onClick={replace}>{t("Replace all")}</Button>
      <Button onClick={(event) => { if (event.x) go(); }} disabled={a > b}>{count}</Button></>;
    """
    triggers = [(node.name, node.function) for node in facts("tsx", text).nodes if node.type == "ui_trigger"]
    assert triggers == [('click "Replace all"', "replace"), ("click <Button>", "F")]


def test_functions_in_fields_and_objects_own_what_they_do() -> None:
    text = """
    export class Store { fetch = async () => { return fetch("/a"); }; }
    export const api = { load: () => fetch("/b"), options() { return run({ done: () => fetch("/c") }); } };
    """
    calls = [(node.name, node.function) for node in facts("typescript", text).nodes if node.type == "api_call"]
    assert calls == [("GET /a", "Store.fetch"), ("GET /b", "load"), ("GET /c", "options")]


def test_an_inline_angular_template_belongs_to_its_component() -> None:
    text = """
    @Component({ selector: "x", template: `<p></p>
      <button (click)="save($event)">Save</button>` })
    export class EditComponent { save() {} }
    """
    node = one("typescript", text, "ui_trigger")
    assert (node.name, node.line, node.function) == ('click "Save"', 2, "EditComponent.save")


def test_entities_name_their_tables() -> None:
    text = """
    import { Entity } from "typeorm";
    @Entity({ name: "stock_unit" })
    export class StockUnit {}
    """
    assert one("typescript", text, "entity").target == "stock_unit"
    assert of_type("typescript", text, "table") == [("table", "stock_unit", 2, "certain")]


@pytest.mark.parametrize(
    "line",
    [
        'fixture.debugElement.query(By.css("x"));',
        "Array.from(items); map.get(key); set.delete(key); params.get('id');",
        "items.find(x => x.id === 1);",
        "emitter.emit('change'); element.on('click', f);",
        "form.get('name'); this.cache.set(1);",
        "const text = 'Select a user from the list';",
        "store.create({}); service.update(1); thing.save();",
        "// fetch('/x')",
        "http.get(name);",
    ],
)
def test_a_methods_name_alone_is_not_evidence(line: str) -> None:
    assert operations("typescript", "export function f(x: any) { " + line + "\n }") == []


def test_a_function_of_the_file_called_fetch_is_not_the_global_one() -> None:
    assert operations("typescript", 'import { fetch } from "./mine";\nexport const f = () => fetch("/x");') == []


def test_a_stand_in_server_of_a_test_is_not_a_call() -> None:
    assert (
        operations("typescript", 'import { http } from "msw";\nexport const h = () => http.get("/x", () => 1);') == []
    )


def test_minified_code_says_nothing() -> None:
    line = 'function a(){fetch("/x")};'
    assert facts("javascript", line * 1000).nodes == ()
    assert len([node for node in facts("javascript", f"{line}\n" * 1000).nodes if node.type == "api_call"]) == 1000
