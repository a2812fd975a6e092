CREATE TABLE "answers" (
	"id" text PRIMARY KEY NOT NULL,
	"at" bigint NOT NULL,
	"model" text NOT NULL,
	"version" text NOT NULL,
	"network" text NOT NULL,
	"exit" integer NOT NULL,
	"class_index" integer NOT NULL,
	"confidence" real NOT NULL,
	"price" real NOT NULL,
	"latency_ms" real NOT NULL,
	"logits" "bytea"
);
--> statement-breakpoint
CREATE TABLE "labels" (
	"seq" bigserial PRIMARY KEY NOT NULL,
	"id" text NOT NULL,
	"model" text NOT NULL,
	"class_index" integer NOT NULL,
	"at" bigint NOT NULL,
	CONSTRAINT "labels_id_unique" UNIQUE("id")
);
--> statement-breakpoint
CREATE TABLE "pictures" (
	"id" text PRIMARY KEY NOT NULL,
	"at" bigint NOT NULL,
	"bytes" "bytea" NOT NULL
);
--> statement-breakpoint
CREATE TABLE "versions" (
	"seq" bigserial PRIMARY KEY NOT NULL,
	"id" text NOT NULL,
	"model" text NOT NULL,
	"network" text NOT NULL,
	"parent" text,
	"at" bigint NOT NULL,
	"promoted_at" bigint,
	"judgement" text,
	"labels_up_to" bigint NOT NULL,
	"files" "bytea" NOT NULL,
	CONSTRAINT "versions_id_unique" UNIQUE("id")
);
--> statement-breakpoint
CREATE INDEX "answers_at" ON "answers" USING btree ("model","at");