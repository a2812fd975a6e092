CREATE TABLE `answers` (
	`id` text PRIMARY KEY NOT NULL,
	`at` integer NOT NULL,
	`model` text NOT NULL,
	`version` text NOT NULL,
	`network` text NOT NULL,
	`exit` integer NOT NULL,
	`class_index` integer NOT NULL,
	`confidence` real NOT NULL,
	`price` real NOT NULL,
	`latency_ms` real NOT NULL,
	`logits` blob
);
--> statement-breakpoint
CREATE INDEX `answers_at` ON `answers` (`model`,`at`);--> statement-breakpoint
CREATE TABLE `labels` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`model` text NOT NULL,
	`class_index` integer NOT NULL,
	`at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `labels_id_unique` ON `labels` (`id`);--> statement-breakpoint
CREATE TABLE `pictures` (
	`id` text PRIMARY KEY NOT NULL,
	`at` integer NOT NULL,
	`bytes` blob NOT NULL
);
--> statement-breakpoint
CREATE TABLE `versions` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`model` text NOT NULL,
	`network` text NOT NULL,
	`parent` text,
	`at` integer NOT NULL,
	`promoted_at` integer,
	`judgement` text,
	`labels_up_to` integer NOT NULL,
	`files` blob NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `versions_id_unique` ON `versions` (`id`);