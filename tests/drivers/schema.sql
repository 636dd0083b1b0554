-- The tables of the cases. The role that the drivers use owns them.
create table account (id int primary key, name text not null);
insert into account select n, 'account ' || n from generate_series(0, 9) n;
create table written (client int, step int);
create table shaped (a int);
insert into shaped values (1);
create table copied (client int, word text);
create sequence numbers;

-- Row security forced on the owner: a tenant that is lost shows no rows, one that leaks shows another's.
create table note (tenant text, body text);
insert into note select 't' || n, 'note of t' || n from generate_series(0, 3) n;
alter table note enable row level security;
alter table note force row level security;
create policy own on note using (tenant = current_setting('app.tenant', true));

create schema place0; create table place0.place as select 'place 0' as name;
create schema place1; create table place1.place as select 'place 1' as name;
create schema place2; create table place2.place as select 'place 2' as name;
create schema place3; create table place3.place as select 'place 3' as name;
