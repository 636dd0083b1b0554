"""Django over psycopg: a database alias for each client. `prepared` has psycopg prepare statements on the server
and binds parameters there, which Django leaves to the client's side by default."""

import os
import sys

import django
from django.conf import settings

from loop import Driver, placeholders, serve

CLIENTS = 4
OPTIONS = {"server_side_binding": True, "prepare_threshold": 0} if sys.argv[1:] == ["prepared"] else {}
DATABASE = {
    "ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"], "USER": os.environ["PGUSER"],
    "PASSWORD": os.environ["PGPASSWORD"], "HOST": os.environ["PGHOST"], "PORT": os.environ["PGPORT"],
    "CONN_MAX_AGE": None, "OPTIONS": OPTIONS, "DISABLE_SERVER_SIDE_CURSORS": False,
}
settings.configure(
    DATABASES={alias: dict(DATABASE) for alias in ["default", *(f"client{n}" for n in range(CLIENTS))]},
    INSTALLED_APPS=[], USE_TZ=True, DEFAULT_AUTO_FIELD="django.db.models.AutoField",
)
django.setup()

from django.db import IntegrityError, connections, models, transaction  # noqa: E402


class Account(models.Model):
    id = models.IntegerField(primary_key=True)
    name = models.TextField()

    class Meta:
        app_label = "cases"
        db_table = "account"


class Django(Driver):
    can = ["objects", "nested", "cursor"]

    def open(self, request):
        connection = connections[f"client{request['client']}"]
        connection.close()
        connection.ensure_connection()
        self.connections[request["client"]] = connection

    def close(self, connection):
        if connection.connection is not None and not connection.get_autocommit():
            connection.rollback()
            connection.set_autocommit(True)
        connection.close()

    def execute(self, request, sql, parameters):
        with self.connections[request["client"]].cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    def query(self, request):
        return self.execute(request, placeholders(request["sql"]), request["parameters"])

    def simple(self, request):
        parts = request["sql"].split("; ") if OPTIONS else [request["sql"]]
        return [self.execute(request, part, None) for part in parts][-1]

    def begin(self, request):
        self.connections[request["client"]].set_autocommit(False)

    def commit(self, request):
        connection = self.connections[request["client"]]
        connection.commit()
        connection.set_autocommit(True)

    def rollback(self, request):
        connection = self.connections[request["client"]]
        connection.rollback()
        connection.set_autocommit(True)

    def drop(self, request):
        connection = self.connections.pop(request["client"])
        connection.connection.close()
        connection.close()

    def cursor(self, request):
        # What `iterator()` reads with.
        cursor = self.connections[request["client"]].chunked_cursor()
        cursor.execute(request["sql"])
        self.cursors[request["client"]] = cursor, request["size"]

    def fetch(self, request):
        cursor, size = self.cursors[request["client"]]
        return cursor.fetchmany(size)

    def objects(self, request):
        accounts, key = Account.objects.using(f"client{request['client']}"), request["key"]
        account = accounts.create(id=key, name="created")
        account.name += ", changed"
        account.save()
        found = list(accounts.filter(id__in=[key, 1]).order_by("id").values_list("id", "name").iterator())
        account.delete()
        return [found, accounts.filter(id=key).count()]

    def nested(self, request):
        alias, key = f"client{request['client']}", request["key"]
        accounts = Account.objects.using(alias)
        with transaction.atomic(using=alias):
            accounts.create(id=key, name="outer")
            try:
                with transaction.atomic(using=alias):
                    accounts.create(id=key, name="inner")
            except IntegrityError:
                pass
            accounts.filter(id=key).update(name="outer!")
        return accounts.get(id=key).name


serve(Django())
