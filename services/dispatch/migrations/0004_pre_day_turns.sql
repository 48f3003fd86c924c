-- What a provider was handed on a day, where it takes so many a day.

create table day_turns (
    day        date not null,
    turns      int not null,
    provider   text not null,
    primary key (provider, day)
);
