// Made by token_vectors.py: tokens of another library. Nothing here is secret.
#pragma once

#include <cstdint>

// clang-format off
constexpr int64_t kVectorTime = 1700000000;  // Unix seconds at which they are judged
constexpr char kVectorKeys[] =
    "{\"keys\": [{\"kty\": \"RSA\", \"n\": \"zLlyfrOJjcZKvT92B-FNoEW_oKoTEhL3N9A5zPcNVnZcBJ2kKhQagxwou3o4O3ZSzf1Vpudhzd6VN4H"
    "meSa0pxsHCXNteO0HmzByoCjfgnWG1STmWpcRJTBhEpbGxgiOBkJFSYHxiTXr60nE0M3UUOWzoV8c6NIv1IxS9qPZNjHi4vLgSLmsq2l7sO9sy"
    "zh_cP98HJc-Ig4s9-z5pKO2SjVi6RL_p_usaGs-XidNIAMe6hQ5nncQu9tGO5wN0gnevOxsKoYYOrmZYof72gLfMX4RiPjaltRrEdBQctVVLqX"
    "TO86G0A7A7H4bUO6a03iQs4UGp4OLKOQvik02bHOzoQ\", \"e\": \"AQAB\", \"kid\": \"rsa\", \"use\": \"sig\"}, {\"kty\": \"EC\", \"crv\": \""
    "P-256\", \"x\": \"ZFkdjfUGZ3F9V6L7mW69Ibmp5dqgpiatiXY5wuWYZTI\", \"y\": \"jTmnXOvFOt9mS0y4gMF5xGqgpk0KeEdwY0KfMIvgkYQ\""
    ", \"kid\": \"p256\", \"use\": \"sig\"}, {\"kty\": \"EC\", \"crv\": \"P-384\", \"x\": \"JpgXFUjKqU0qJ6kArtCFH-3D7nKSGabE5P8QZrpEq2"
    "bIcMgtO_Y5rH7kKHu4_e4E\", \"y\": \"tlXnl98YU02q9oq_MOXgcewdTxl0tx5nknpPjrwFjKkEmmc8TzWyonRxvFu-3Rgt\", \"kid\": \"p384"
    "\", \"use\": \"sig\"}, {\"kty\": \"EC\", \"crv\": \"P-521\", \"x\": \"AfV0qfYYGAsIwVOQOaxxcn2UXxVBHq7eT59K8FTvMWxiXEcZK5OR5XEb"
    "OAWxHNfyKgcK0QqXrXYMlmXa5xNpW1Qm\", \"y\": \"AKlRaXqVz9AgV8F9Hh2-LpIYBFbHG76wzUrGZyMcVq0PE4D6cKE1waFfhz9WGdu-HQ-ck"
    "_RqnSkh2fPSQzOuxzpF\", \"kid\": \"p521\", \"use\": \"sig\"}, {\"kty\": \"OKP\", \"crv\": \"Ed25519\", \"x\": \"N4-Iye5Mt_rN2AHnJPT"
    "zNVVikkG_VS2aQYnMMZ7FqTg\", \"kid\": \"ed\", \"use\": \"sig\"}]}";
constexpr char kVectorKeysWithoutIds[] =
    "{\"keys\": [{\"kty\": \"RSA\", \"n\": \"zLlyfrOJjcZKvT92B-FNoEW_oKoTEhL3N9A5zPcNVnZcBJ2kKhQagxwou3o4O3ZSzf1Vpudhzd6VN4H"
    "meSa0pxsHCXNteO0HmzByoCjfgnWG1STmWpcRJTBhEpbGxgiOBkJFSYHxiTXr60nE0M3UUOWzoV8c6NIv1IxS9qPZNjHi4vLgSLmsq2l7sO9sy"
    "zh_cP98HJc-Ig4s9-z5pKO2SjVi6RL_p_usaGs-XidNIAMe6hQ5nncQu9tGO5wN0gnevOxsKoYYOrmZYof72gLfMX4RiPjaltRrEdBQctVVLqX"
    "TO86G0A7A7H4bUO6a03iQs4UGp4OLKOQvik02bHOzoQ\", \"e\": \"AQAB\"}, {\"kty\": \"EC\", \"crv\": \"P-256\", \"x\": \"ZFkdjfUGZ3F9V6"
    "L7mW69Ibmp5dqgpiatiXY5wuWYZTI\", \"y\": \"jTmnXOvFOt9mS0y4gMF5xGqgpk0KeEdwY0KfMIvgkYQ\"}, {\"kty\": \"EC\", \"crv\": \"P-3"
    "84\", \"x\": \"JpgXFUjKqU0qJ6kArtCFH-3D7nKSGabE5P8QZrpEq2bIcMgtO_Y5rH7kKHu4_e4E\", \"y\": \"tlXnl98YU02q9oq_MOXgcewdTx"
    "l0tx5nknpPjrwFjKkEmmc8TzWyonRxvFu-3Rgt\"}, {\"kty\": \"EC\", \"crv\": \"P-521\", \"x\": \"AfV0qfYYGAsIwVOQOaxxcn2UXxVBHq7e"
    "T59K8FTvMWxiXEcZK5OR5XEbOAWxHNfyKgcK0QqXrXYMlmXa5xNpW1Qm\", \"y\": \"AKlRaXqVz9AgV8F9Hh2-LpIYBFbHG76wzUrGZyMcVq0PE"
    "4D6cKE1waFfhz9WGdu-HQ-ck_RqnSkh2fPSQzOuxzpF\"}, {\"kty\": \"OKP\", \"crv\": \"Ed25519\", \"x\": \"N4-Iye5Mt_rN2AHnJPTzNVVi"
    "kkG_VS2aQYnMMZ7FqTg\"}]}";
constexpr struct {
  const char *name, *token, *fault;
} kVectors[] = {
  {"RS256",
    "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoiY2FyZ"
    "GVhIiwic3ViIjoidXNlci0xIiwiZXhwIjoxNzAwMDAwNjAwLCJpYXQiOjE2OTk5OTk5OTAsImVtYWlsIjoiYUBleGFtcGxlLmNvbSIsImdyb3V"
    "wcyI6WyJzdGFmZiIsIm9wcyJdfQ.nhA7xt2uFirgkHVUpt478v5yzihES0ZBQvl-uv5qugOtb3pRlUrjI69NBMm434jIc0XD-IlQIUd4BSMjcD"
    "DljJch70tJQPaUzLVfA9b5rdCMvnGSMK1TdIO6qcaj0KehWewFUQt6HnuIkiywsDwcPzlgY70euM-GgiSBvy04rFrlsoHKx7G5Z7zIJOAvRRBV"
    "mBPba9rSA5B1cEiRID2EbmdMB80VNCVqHex2VchDZw2jVOAsrBtYwBzVDdlbIcWTYtEKA2ToQstSyBjINGILqD2-1pnYm3tMQPJipzzmqf7pRV"
    "T6VJW4UXKSvd6WeEPGIZ9rv84TL_1WuyZSoToGsw", "none"},
  {"RS384",
    "eyJhbGciOiJSUzM4NCIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoiY2FyZ"
    "GVhIiwic3ViIjoidXNlci0xIiwiZXhwIjoxNzAwMDAwNjAwLCJpYXQiOjE2OTk5OTk5OTAsImVtYWlsIjoiYUBleGFtcGxlLmNvbSIsImdyb3V"
    "wcyI6WyJzdGFmZiIsIm9wcyJdfQ.Lm1UJwwxBHVUVYycnFwaEyqvuOeDznVUhINtV5QTMmBPrpA_FtebgFV-ymBT9EE5JYa5iKQzN0eHWNCRrv"
    "BHqviTa0T6Ox-3FQ8a6yaAo1ETM0OC0nGM0E3cClmTZrOGpKZxsZz_ujJ73S5Du5q8kUyugVtX2MrzLU4OJvOUXkt-A4VjwO1Vo9z-ENl54K7x"
    "GlfnOI1bHCkv5Nd32lB2xz1Qjx9zzhp8VeMaLCbvgS3hA_lcL9fjWba2GWK2x1VEh8SLmwUVKQOEP9FmIWyq463C2Fw2v0M6lifQurU_teyoXS"
    "DMgBhcum_v9VYvyZcURy359itR1Tx8Dx-xymKw-Q", "none"},
  {"RS512",
    "eyJhbGciOiJSUzUxMiIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoiY2FyZ"
    "GVhIiwic3ViIjoidXNlci0xIiwiZXhwIjoxNzAwMDAwNjAwLCJpYXQiOjE2OTk5OTk5OTAsImVtYWlsIjoiYUBleGFtcGxlLmNvbSIsImdyb3V"
    "wcyI6WyJzdGFmZiIsIm9wcyJdfQ.xINdovJFeuJF-hXjMNcdsgUPv4R1QZ27uqnDYXRjF9ZwpPF0IRb6qiQtkkpxpfIIU2zgwADmfAtnF3YW5e"
    "ToN66RVTE97BPsh3SlZAARZkknIULPGF5bPn6y48D1WxMyRQG7X8ZiLE7GOHCckANC95WGZ8CWt5LJyvwBC1OGx4N_FV_31PnlEAd-b9c4rZTf"
    "9j9pxFMH1ewFxi7wV9pI-jdURA1W9gG7_Uw-4yhdWcRcwQI-HT2VNiG59nECsuEC5HzqXhvQn_POiKkip-oiCgAN3r-QCpzaCf_7wKmQcghjSV"
    "Wip6xG0ALBDvE-LG9d_9oT2-iYDy8J0dkmhhzEpA", "none"},
  {"PS256",
    "eyJhbGciOiJQUzI1NiIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoiY2FyZ"
    "GVhIiwic3ViIjoidXNlci0xIiwiZXhwIjoxNzAwMDAwNjAwLCJpYXQiOjE2OTk5OTk5OTAsImVtYWlsIjoiYUBleGFtcGxlLmNvbSIsImdyb3V"
    "wcyI6WyJzdGFmZiIsIm9wcyJdfQ.i-9naG5zeDYanE57X6gNFS-pFa9Sp3v-9Dnu9clAd6z812cjBQuzXq5rYBuSqqvxdgatJmapslhS8dInUZ"
    "ad7qoLP-ZqG4ogNITfPJg5zitUIhPU86qbsPE1ciM8BxekZtYf1TVH5Vkmnt-sIBJ-SH7kQsRzq4sMM5iGVXA92Z4cRaBYqzRdVXn8_jMfarog"
    "qG6e-2-JPmaOrtfYjJkcOySppClKA_8yyZ4ImC0xaFb67O4yFU16ijvnMTb1m4ki-9PKXjeyVg-NA5iA0Amf2rHd4xv7GP0FCx0x97YvoqALU7"
    "Nad-4skTlWRjtsCNIh4g50LXiAj21ZgNoMTz4iyA", "none"},
  {"PS384",
    "eyJhbGciOiJQUzM4NCIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoiY2FyZ"
    "GVhIiwic3ViIjoidXNlci0xIiwiZXhwIjoxNzAwMDAwNjAwLCJpYXQiOjE2OTk5OTk5OTAsImVtYWlsIjoiYUBleGFtcGxlLmNvbSIsImdyb3V"
    "wcyI6WyJzdGFmZiIsIm9wcyJdfQ.qLUgkjT82mEnEiuX1l9Ts4cam-AQeFA0G3ZmQm1NA5zrYE9MJpboZWY6nq8Usa73RTnOLhYvfcgpT2_eim"
    "4M562fHGCPr0xhQFVJepng6TXJhCAoQXBetWhrn018iJepZcltxBUycM427yZcAEzv0UWlZ_iPK2Myv75Oe1rNqoidXqJ25Ugj96P2RI5C0XD9"
    "W-ZzEMkfn_kPYzO_1ofYPXODtnfZNgBy3etoLS-VFgZrL9ldDRDlAt8Ewv9UQI1VUCS5qLbATY6h2snIgF0iV-8dDNqQYm1L_FSmxC1FtXLQ2-"
    "u5X1X-lw1E4wgcjAo3xMgVGjRU7hEcJByH11ujKA", "none"},
  {"PS512",
    "eyJhbGciOiJQUzUxMiIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoiY2FyZ"
    "GVhIiwic3ViIjoidXNlci0xIiwiZXhwIjoxNzAwMDAwNjAwLCJpYXQiOjE2OTk5OTk5OTAsImVtYWlsIjoiYUBleGFtcGxlLmNvbSIsImdyb3V"
    "wcyI6WyJzdGFmZiIsIm9wcyJdfQ.TA5eCYWNg-Nt-m5NjBqw-zVMJBFLFtuAHZwLFAtmbzEI2A7ZUmny_v0cyRfTIBnHmiIZ8lw1TcJtffNhhD"
    "mUAhVTv58XHtXUJE2xGSc4BsYuiRplCB9tT_fdBjVoDS1aOGUsWFAYC-vcZP47jREnEbpHcdQ-20LviPm2jH9Z7GAji1yaTx88NbqMaDlfhYQJ"
    "7FttqqenYSIlJuTaoVeq0SSMRxfrCZnK_4l7MhyAr3CpZKj7v1pVNePOADpLewitz6W2uH9g0F-NM5I_aB34wVbZx7Xhrs36SXo6AWkFDiLK9b"
    "FF9Fz-INkD3eZFNXPhJmJxq5ukcbTM8NOSmdO9YQ", "none"},
  {"ES256",
    "eyJhbGciOiJFUzI1NiIsImtpZCI6InAyNTYiLCJ0eXAiOiJKV1QifQ.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoiY2F"
    "yZGVhIiwic3ViIjoidXNlci0xIiwiZXhwIjoxNzAwMDAwNjAwLCJpYXQiOjE2OTk5OTk5OTAsImVtYWlsIjoiYUBleGFtcGxlLmNvbSIsImdyb"
    "3VwcyI6WyJzdGFmZiIsIm9wcyJdfQ.czfH35nNhA6V7MKFMB0GxXN6K74jjFH_1gAofX2PYSydeWCOW9oNmoTftHA3Tr97cF4-vyCQZR9xc1Ak"
    "4haGYg", "none"},
  {"ES384",
    "eyJhbGciOiJFUzM4NCIsImtpZCI6InAzODQiLCJ0eXAiOiJKV1QifQ.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoiY2F"
    "yZGVhIiwic3ViIjoidXNlci0xIiwiZXhwIjoxNzAwMDAwNjAwLCJpYXQiOjE2OTk5OTk5OTAsImVtYWlsIjoiYUBleGFtcGxlLmNvbSIsImdyb"
    "3VwcyI6WyJzdGFmZiIsIm9wcyJdfQ.GkkU4CqtaQ4VzahTypx_L1Zlfg_hAr2VI5YD6zm_U0zJc8FzsmJXyq70FdppDmFHs1tqVH1MSiMIj3yU"
    "2ATIsLbKcoxVrghmnXPKmHAHX8xlh1ydg8XhDau-Q0tlZyrr", "none"},
  {"ES512",
    "eyJhbGciOiJFUzUxMiIsImtpZCI6InA1MjEiLCJ0eXAiOiJKV1QifQ.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoiY2F"
    "yZGVhIiwic3ViIjoidXNlci0xIiwiZXhwIjoxNzAwMDAwNjAwLCJpYXQiOjE2OTk5OTk5OTAsImVtYWlsIjoiYUBleGFtcGxlLmNvbSIsImdyb"
    "3VwcyI6WyJzdGFmZiIsIm9wcyJdfQ.AXjhh1mNRR12VlIJUWAR6eixpf7eNDhxitq9JqThUNt4uxvvNj9mEUTQeOnlUkFi5vc3TXVjk4p1WyRh"
    "VFCwS-7hAel-VvK85FSQQzt9eslLyMcGnQWRVEnP6721xabosf2mO3K98PRpNjVsp1k3hnNP3L0CNOV9TSnVxfNMMax5TW3I", "none"},
  {"EdDSA",
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImVkIiwidHlwIjoiSldUIn0.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoiY2FyZG"
    "VhIiwic3ViIjoidXNlci0xIiwiZXhwIjoxNzAwMDAwNjAwLCJpYXQiOjE2OTk5OTk5OTAsImVtYWlsIjoiYUBleGFtcGxlLmNvbSIsImdyb3Vw"
    "cyI6WyJzdGFmZiIsIm9wcyJdfQ.Zr6jHwm3kAhpYzWOuHkw8Zpup4yc1NVOR40csh92tDodB5MhIWb80Gdq8VWqDMPtTEW4nVxeQMF2Orw-t4n"
    "JAg", "none"},
  {"RS256 without kid",
    "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoiY2FyZGVhIiwic3ViIjoid"
    "XNlci0xIiwiZXhwIjoxNzAwMDAwNjAwLCJpYXQiOjE2OTk5OTk5OTAsImVtYWlsIjoiYUBleGFtcGxlLmNvbSIsImdyb3VwcyI6WyJzdGFmZiI"
    "sIm9wcyJdfQ.GMqVz6_w4k--xcYhXHSYl4CA3jfuXizK3YMolZlGKfE5IamnOf5Xy-zb1CcgL1HryedVBNIaEN_LJlxhCMNT2eAB4MUcwkdIJE"
    "WvQeDw6qTkGVBFlugRdAKW2zuAE11PQ8ipFvqOYA1WoQPyB0fVJmEZS5e-hTyFLAD5iR9H9A_0MHde6zTKbUU_lI0fIRbDhJcdHMixoEh9RPFS"
    "q0AbbST3OeKeLqI2BtvYmNVzpVTee7yG7B1uMjgZgChYV_R6XS3i-gP4_IjmSZcAvR7FSN21Yoe28iZTrl7KdxbEgODsK82YEmRPn1dHw-Fc2J"
    "ZmX_hjZ-VZBBv-vea4IDqG8Q", "none"},
  {"RS384 without kid",
    "eyJhbGciOiJSUzM4NCIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoiY2FyZGVhIiwic3ViIjoid"
    "XNlci0xIiwiZXhwIjoxNzAwMDAwNjAwLCJpYXQiOjE2OTk5OTk5OTAsImVtYWlsIjoiYUBleGFtcGxlLmNvbSIsImdyb3VwcyI6WyJzdGFmZiI"
    "sIm9wcyJdfQ.ti1ijgMh3Vup1-tupGsByk4_yQNXn7qyOMdtegTEYu7OTzBYWshmDr4LoHebjZG5a_28MCdiB8iuwBo1BXqmTa41vE8SeyiMlQ"
    "2xqpvk4XmrNcdMYs7VoSFMUd0Sr_DOdPjP98GWktjtaq98IG1fkp8szCPqlmG4uUKpz9lrgJdOyYIdofD3Jdaf8UPmkgL6pRvmaKxtiktuQTmt"
    "DjCM4H5rJ2Yshj5rOuIVMt1t4DUPuXsgMJZwZ4KGFW6BHBpp0P-BzAj89YFFzhsRhutCWJ0V_Otqj3eYwxhjZBM-tucBVJ9Ft6gwWd0ohFZmZS"
    "NbHRrnsNuDCUTxJvHgK0R8hg", "none"},
  {"RS512 without kid",
    "eyJhbGciOiJSUzUxMiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoiY2FyZGVhIiwic3ViIjoid"
    "XNlci0xIiwiZXhwIjoxNzAwMDAwNjAwLCJpYXQiOjE2OTk5OTk5OTAsImVtYWlsIjoiYUBleGFtcGxlLmNvbSIsImdyb3VwcyI6WyJzdGFmZiI"
    "sIm9wcyJdfQ.leGEXMBObFO2lFXgox68vecCUzd6JYz2otlVs6JVfwCOgC52wacMUAVWZc4mMxv8zCTKlzmnxZ70DPTSoAgETN8OmHNw4gP5BH"
    "iSZCb--8eE4FWheBJRtsWfiEpDqpaF2HpsYNsrbg7TkWDq2i9D0hcAKX9UVaFDB1yNJooE3w2icF0DXy20p4NF3tS8NXHUqhDYhol6dc1vJTkc"
    "Kjyl-fULrcRgo_2D6IJrG6gVgFlsxu7O4dpi0XOIPLGGCK-bLfWgcsuTdDuljfuwsYiYR9vO0HQdcF65XIAZpkGjD9A_uJdCME8e79gizk2kPL"
    "vb9EHmydRCHdARhayGq7cAcA", "none"},
  {"PS256 without kid",
    "eyJhbGciOiJQUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoiY2FyZGVhIiwic3ViIjoid"
    "XNlci0xIiwiZXhwIjoxNzAwMDAwNjAwLCJpYXQiOjE2OTk5OTk5OTAsImVtYWlsIjoiYUBleGFtcGxlLmNvbSIsImdyb3VwcyI6WyJzdGFmZiI"
    "sIm9wcyJdfQ.rvu8swmE43hRLMH0zXK2YdTzdD_RtYMFkKwWCHVA-C4WO5tiQthnK6hVLnyCy0nf2Vrq7VLLzrdFiGa5u8vZBZkb0JKiw887yb"
    "TV251DjMYmzayPO8wOSgZoIMSMeOeSt34EBx0R78JHgValxOyi6wkv4lc0BN2fNBkeW3Quopl1f0EkZnhjjdUdEihk14Fmx7RjH_Lgrdb3dmmD"
    "JaXQBIGyET1qyKtiWNqcnVEexJYt4jYu30fL2rGOIUD7pJDZgqHE9k5aN-Sa0TeotRINVGyaIuuDp2xq3jCtAAI-UfrHoCNvYrFxYVc5QxtUBp"
    "IZHEUTODo5SVp2PK3DTkmncg", "none"},
  {"PS384 without kid",
    "eyJhbGciOiJQUzM4NCIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoiY2FyZGVhIiwic3ViIjoid"
    "XNlci0xIiwiZXhwIjoxNzAwMDAwNjAwLCJpYXQiOjE2OTk5OTk5OTAsImVtYWlsIjoiYUBleGFtcGxlLmNvbSIsImdyb3VwcyI6WyJzdGFmZiI"
    "sIm9wcyJdfQ.XOmSOEo_sQwSPOFFOsWabA4VoWdTa9Ktr7E6F6-n7egMqdI9Iqp7RPm_7pUooTXWm5plERA_13j5WlP821L2iQebxLvCDS0JwI"
    "R_v05P-tcsrbeNNDWSmiGY2k7d2u3Ovpqe_u7HemdwlfK4Nx9JRY0VKFl4TKTlZGVH8Ksk1LYlfZOkvqY0HWmiI_33ivFqXppHoC1BAgQFPmGh"
    "JmbUF6ppty0V4xGIL_T8e2hYMuginU8Rm57k2MgAL2YezrCK-8CdCsn67fpc0KWkV6m3XfqyoFy19X4FZNA7CNcyWzUj8aUMmbO4w1sIRMqNgI"
    "foVsXA3DjQHJUaWN2MU9yypQ", "none"},
  {"PS512 without kid",
    "eyJhbGciOiJQUzUxMiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoiY2FyZGVhIiwic3ViIjoid"
    "XNlci0xIiwiZXhwIjoxNzAwMDAwNjAwLCJpYXQiOjE2OTk5OTk5OTAsImVtYWlsIjoiYUBleGFtcGxlLmNvbSIsImdyb3VwcyI6WyJzdGFmZiI"
    "sIm9wcyJdfQ.DVkmqDyv6osiRxm7Z776PIPGglUmyH3w-zTUBsO7dkcaIgetocg9uMKzH3XCefyJdfc7nQfs0pzNcuBXvTDhPdDSXTc3N9PxXJ"
    "weapH97ayK-4kT-UdLuBobf6VNpVwpA4rLCHMY3X3hGp4_H-uZkFRqXReb3oPY2XbLWgITRZW5BfYgJZpV67DBkEBdXBfuv5bVe5ql02MEfhaH"
    "cKJaaf0ZBq2GURbSoGB8fZ21gKWWOWVFWRixZbQRQuBLx_5G7YCXGQ6H_S7A3A39i-AL34WwwIffoa7ZJnlKbK2-9fQivTRTr_w9ZyC6u6j1cv"
    "BPZAcULaawLGC28xx_lvCUtw", "none"},
  {"ES256 without kid",
    "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoiY2FyZGVhIiwic3ViIjoid"
    "XNlci0xIiwiZXhwIjoxNzAwMDAwNjAwLCJpYXQiOjE2OTk5OTk5OTAsImVtYWlsIjoiYUBleGFtcGxlLmNvbSIsImdyb3VwcyI6WyJzdGFmZiI"
    "sIm9wcyJdfQ.sWKnG8SUE-g3wEATKnyBfTHTrd6aubSVnWqYQfXALx4_9pWpWepxwMaV5fUp1nADW1X8s3Ej4FA7MDhh4ihJpw", "none"},
  {"ES384 without kid",
    "eyJhbGciOiJFUzM4NCIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoiY2FyZGVhIiwic3ViIjoid"
    "XNlci0xIiwiZXhwIjoxNzAwMDAwNjAwLCJpYXQiOjE2OTk5OTk5OTAsImVtYWlsIjoiYUBleGFtcGxlLmNvbSIsImdyb3VwcyI6WyJzdGFmZiI"
    "sIm9wcyJdfQ.TROqpXfjnNSBAfLk8a7XA007AFheJ6aEzhoB7FlB3InHp9S93q4MTErhM8XkniBUDGS6CPeY3fT8oRBk9fIfesF1ILNV2NUiTJ"
    "pYjfpcPTOoiPwNoeMwm4VXzbNUakDR", "none"},
  {"ES512 without kid",
    "eyJhbGciOiJFUzUxMiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoiY2FyZGVhIiwic3ViIjoid"
    "XNlci0xIiwiZXhwIjoxNzAwMDAwNjAwLCJpYXQiOjE2OTk5OTk5OTAsImVtYWlsIjoiYUBleGFtcGxlLmNvbSIsImdyb3VwcyI6WyJzdGFmZiI"
    "sIm9wcyJdfQ.Af-tpLzLqZRni0px9cH7zisS53QMmaao9kGzcXXVbNeh_VU3RBgKSFZ2MIQYuV7P6aKlcXNnbtwOzHaLvcZCLLu4Ab9xdJ-HhI"
    "VRntJmvMKcnSgWMn0SkGZURb44Lv7z9LghsQcsJbcoxpmYFVDonT4Wu5QtT4Nw1XvS5QEUMwjak3-L", "none"},
  {"EdDSA without kid",
    "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoiY2FyZGVhIiwic3ViIjoid"
    "XNlci0xIiwiZXhwIjoxNzAwMDAwNjAwLCJpYXQiOjE2OTk5OTk5OTAsImVtYWlsIjoiYUBleGFtcGxlLmNvbSIsImdyb3VwcyI6WyJzdGFmZiI"
    "sIm9wcyJdfQ.y2ciZ4WKYukF8d-Yyh80Kq52K64XrjWZpH9CIvi_WWnjFliLX9IH59k362ZhnKVOTubBjct4LcDItvYqt_S2AA", "none"},
  {"none",
    "eyJhbGciOiAibm9uZSIsICJ0eXAiOiAiSldUIn0.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgIn"
    "N1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImdy"
    "b3VwcyI6IFsic3RhZmYiLCAib3BzIl19.", "algorithm"},
  {"None",
    "eyJhbGciOiAiTm9uZSIsICJ0eXAiOiAiSldUIn0.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgIn"
    "N1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImdy"
    "b3VwcyI6IFsic3RhZmYiLCAib3BzIl19.", "algorithm"},
  {"NONE",
    "eyJhbGciOiAiTk9ORSIsICJ0eXAiOiAiSldUIn0.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgIn"
    "N1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImdy"
    "b3VwcyI6IFsic3RhZmYiLCAib3BzIl19.", "algorithm"},
  {"nOnE",
    "eyJhbGciOiAibk9uRSIsICJ0eXAiOiAiSldUIn0.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgIn"
    "N1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImdy"
    "b3VwcyI6IFsic3RhZmYiLCAib3BzIl19.", "algorithm"},
  {"none with a kid",
    "eyJhbGciOiAibm9uZSIsICJraWQiOiAicnNhIn0.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgIn"
    "N1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImdy"
    "b3VwcyI6IFsic3RhZmYiLCAib3BzIl19.", "algorithm"},
  {"none with a signature",
    "eyJhbGciOiAibm9uZSIsICJraWQiOiAicDI1NiJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgI"
    "nN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImd"
    "yb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.pjrm0_XIM6RkcBWcn7TzT9SlbXOiC6jW8Bsi6s9kYLmuAmlQLTPAhR00OESjEsX_Fajsnz28oPYe"
    "xqU3ovo0iA", "algorithm"},
  {"HS256 with the public key's PEM",
    "eyJhbGciOiAiSFMyNTYiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgI"
    "nN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImd"
    "yb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.IUsm5-HgtRtZyh6yjFNiwUdiREhPGnjGEJW7lXkeuzc", "algorithm"},
  {"HS256 with the public key's PEM without newline",
    "eyJhbGciOiAiSFMyNTYiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgI"
    "nN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImd"
    "yb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.Io3Iv2uxhQC-2LjohikJWtnpfYQjxZxq-OnljDZbGpM", "algorithm"},
  {"HS256 with the public key's DER",
    "eyJhbGciOiAiSFMyNTYiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgI"
    "nN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImd"
    "yb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.znz9GsRch8fm6oNmfn5mOKGoBQSWMb-pomhXKCLkL8I", "algorithm"},
  {"HS256 with the public key's modulus",
    "eyJhbGciOiAiSFMyNTYiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgI"
    "nN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImd"
    "yb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.hrdlF3-A80mNbTZBNBm4irAmTp4eJm0nqXleM2N431M", "algorithm"},
  {"HS256 with the public key's nothing",
    "eyJhbGciOiAiSFMyNTYiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgI"
    "nN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImd"
    "yb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.1nx8YpyYxEfR3R-C40cgZZwrvUfAiSURVdCAM3NpmWE", "algorithm"},
  {"HS256 without kid",
    "eyJhbGciOiAiSFMyNTYifQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgInN1YiI6ICJ1c2VyLTE"
    "iLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImdyb3VwcyI6IFsic3RhZ"
    "mYiLCAib3BzIl19.d-u6WWhbsUeIsKwxE1URa6kOzKSsJpgC6tuyIPWbt3w", "algorithm"},
  {"RS256 made with HMAC",
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgI"
    "nN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImd"
    "yb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.m7ioSJgHit9eM3bkcz1weL6UU-54j7ZPtSyYrD4smoE", "signature"},
  {"RS256 with an EC key",
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogInAyNTYifQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiw"
    "gInN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgI"
    "mdyb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.kgbEKpLETteqnhv1p8BHnS06-qarqq27s8F7wXYk0rNYkbpi1flA-mp4Zi07tOdEpSK70dvXNI"
    "fCBHObw_dnQtPI13VXIY7wFsWXoDTeafLWLgkdyXeeZrRQtn7_VwEq1EdTeCGnQ6yV-qmFuWeKdxbzIjViUr_DhRolKsPwflH4Rh5GYQ9AyJ30"
    "6ndvRlXmAaTSsSqP56hNwpm8qYfiyrH0ybnl5oM_AJ7B209luEKWzGNefIX8E83fIFsg94WWIVoVKhA3Zw8YVQcT97R464F92PrNc72VTQvj9q"
    "q6nn8zPmxSbmkpVyWEWPkATvZj6818B_fyY7tBQ9feFe1BZQ", "algorithm"},
  {"ES256 with an RSA key",
    "eyJhbGciOiAiRVMyNTYiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgI"
    "nN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImd"
    "yb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.xT_UrFY1i1EGOWeTHjRBBVohP-XLQ0Dai0zvrM3GF38q-4qT7bnmaBc4Xt3rNbSG3ZAyAbpY3HjZ"
    "D7dO2cJLyw", "algorithm"},
  {"ES256 with the P-384 key",
    "eyJhbGciOiAiRVMyNTYiLCAia2lkIjogInAzODQifQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiw"
    "gInN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgI"
    "mdyb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.jijdI13hsYGAnmWP-biAgPi0mYrY_p9s5oIHntTYIkqGdfj2paiSxpRqv_cGuueSn9CohHDL7j"
    "aIXnCCPDumrB62nGjvspKeQZR8pW2UxnWYu8zF8EjZkUN5WUusPuWO", "algorithm"},
  {"ES256 by P-384 without kid",
    "eyJhbGciOiAiRVMyNTYifQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgInN1YiI6ICJ1c2VyLTE"
    "iLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImdyb3VwcyI6IFsic3RhZ"
    "mYiLCAib3BzIl19.aA8SM8Q_Wq9GXHlBKk4Lp8P0ACfqIc9NUH3i1nzKc-_GmBkzvmiz1wa-lXs1Ki-WkzVUxRj6E0zcAuST-zxepHU5JenuSQ"
    "YH1TxAjxGw1NI1IlOJXn6c_RoFJeRQlhck", "signature"},
  {"ES384 with the P-256 key",
    "eyJhbGciOiAiRVMzODQiLCAia2lkIjogInAyNTYifQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiw"
    "gInN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgI"
    "mdyb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.kT1fw65b__wdBYRWdC4fyPHHXvC3aJ4KqquLtlJDxoPQi3gk3p9ZgkxNFmorj7fwhrr08EpYbF"
    "IwL-t2VyzGpQ", "algorithm"},
  {"ES512 with the P-384 key",
    "eyJhbGciOiAiRVM1MTIiLCAia2lkIjogInAzODQifQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiw"
    "gInN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgI"
    "mdyb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.wCJ0iS2VkpeeYnjSK-hK-ZRVf_pRawLchEAYZOuZtOomFCLwPP-6pa89FGwhMjbjAQg1hA3Ad1"
    "hSysOEimGuAoYHN0pWYKTJdl1K-eQRDfwF9pm0yuvAJPJJclneXBOp", "algorithm"},
  {"EdDSA with the P-256 key",
    "eyJhbGciOiAiRWREU0EiLCAia2lkIjogInAyNTYifQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiw"
    "gInN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgI"
    "mdyb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.-mKKTv9RDgXxaWDJwcjIPnpCx4Ec7xGzGu3L_UGBRdtrBmbvBY33uwWjFOWy1bYM5_F8MF0hIC"
    "raSrWq8wtoBQ", "algorithm"},
  {"EdDSA by Ed448",
    "eyJhbGciOiAiRWREU0EifQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgInN1YiI6ICJ1c2VyLTE"
    "iLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImdyb3VwcyI6IFsic3RhZ"
    "mYiLCAib3BzIl19.5LqCblZWXzT5HXh2cXeOI7vsGS6LN87KMCjdO7odUcoIssKYx_5GzRYXq1mDqP5sJiLsPuzDs2uA6lqC6tWjyqXIaFeGUI"
    "iK3b73Zqik1k-yWw_1FSEg6J_cXC5RCe-YZecWh-BpeUMyaJ6vm2-PEywA", "signature"},
  {"ES256 over SHA-384",
    "eyJhbGciOiAiRVMyNTYiLCAia2lkIjogInAyNTYifQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiw"
    "gInN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgI"
    "mdyb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.a-zXjsljUTUa0iDey47afKRrHw0JCZxJrh3hIvbti1c21u1MU-uhNC30xtqUm0IqyVSivxsZQQ"
    "e6w0Agz0dugA", "signature"},
  {"ES256 in DER",
    "eyJhbGciOiAiRVMyNTYiLCAia2lkIjogInAyNTYifQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiw"
    "gInN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgI"
    "mdyb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.MEUCIQDykuxYdT-db8-q3QFO0MJxZ5iTDYuyu3njC9cqBI3D8AIgLCh5pGytpEOylo3OqSjLNA"
    "lgkJR6YzMSib_G5ce6Wvg", "signature"},
  {"ES256 with halves of 33 octets",
    "eyJhbGciOiAiRVMyNTYiLCAia2lkIjogInAyNTYifQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiw"
    "gInN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgI"
    "mdyb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.AOYg28Pw5pxN8Pi0vRHU2m9i751I_FpWvoeP-4j0DuNgAFqI8-PjURQ48NbNlbIEttCH89xeLQ"
    "e1xTfAb3xyHc0G", "signature"},
  {"ES256 r = s = 0",
    "eyJhbGciOiAiRVMyNTYiLCAia2lkIjogInAyNTYifQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiw"
    "gInN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgI"
    "mdyb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAA", "signature"},
  {"ES384 r = s = 0",
    "eyJhbGciOiAiRVMzODQiLCAia2lkIjogInAzODQifQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiw"
    "gInN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgI"
    "mdyb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "signature"},
  {"ES512 r = s = 0",
    "eyJhbGciOiAiRVM1MTIiLCAia2lkIjogInA1MjEifQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiw"
    "gInN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgI"
    "mdyb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "signature"},
  {"ES256 r = s = 1",
    "eyJhbGciOiAiRVMyNTYiLCAia2lkIjogInAyNTYifQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiw"
    "gInN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgI"
    "mdyb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAQ", "signature"},
  {"ES256 r = s = the order",
    "eyJhbGciOiAiRVMyNTYiLCAia2lkIjogInAyNTYifQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiw"
    "gInN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgI"
    "mdyb3VwcyI6IFsic3RhZmYiLCAib3BzIl19._____wAAAAD__________7zm-q2nF56E87nKwvxjJVH_____AAAAAP__________vOb6racXno"
    "TzucrC_GMlUQ", "signature"},
  {"ES256 all ones",
    "eyJhbGciOiAiRVMyNTYiLCAia2lkIjogInAyNTYifQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiw"
    "gInN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgI"
    "mdyb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.__________________________________________________________________________"
    "___________w", "signature"},
  {"EdDSA of zeros",
    "eyJhbGciOiAiRWREU0EiLCAia2lkIjogImVkIn0.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgIn"
    "N1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImdy"
    "b3VwcyI6IFsic3RhZmYiLCAib3BzIl19.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAA", "signature"},
  {"RS256 of zeros",
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgI"
    "nN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImd"
    "yb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "signature"},
  {"RS256 of ones",
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgI"
    "nN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImd"
    "yb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.____________________________________________________________________________"
    "______________________________________________________________________________________________________________"
    "______________________________________________________________________________________________________________"
    "_____________________________________________w", "signature"},
  {"RS256 one octet short",
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgI"
    "nN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImd"
    "yb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.S_QowjgDOXuYQg2SFxKtv7rBDg-5prZW6ConrwhdlIHMM-9iuQyfPnB5pBBQ7ZYjgFPf1a0wDJf4"
    "pTRfxMLwZ1B-2UCAi0vU7QHt4yFBtTGfd9BnNs2sKWVOpnBZFrMHteEcQ7n4w7obHP0ONQ_LfK6w-yhCQD_AIjrfaJm6Twji-XUcw5qu9OvNdh"
    "uqstbOi8VllxgubhSMwOOYwV0JNJ8JWowGIcDKKljSGamAv-KILYG2inpoGLv7AHY5kZAcyfp_r3azOw9oy76Vctm3qWuFCoU2bJjj60ULuPOk"
    "HcssngpUr456ppoX8H2FO1bR4ZVNh5C-s0UHP8UDlMd9", "signature"},
  {"RS256 with a zero in front",
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgI"
    "nN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImd"
    "yb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.AEv0KMI4Azl7mEINkhcSrb-6wQ4Puaa2VugqJ68IXZSBzDPvYrkMnz5weaQQUO2WI4BT39WtMAyX"
    "-KU0X8TC8GdQftlAgItL1O0B7eMhQbUxn3fQZzbNrCllTqZwWRazB7XhHEO5-MO6Gxz9DjUPy3yusPsoQkA_wCI632iZuk8I4vl1HMOarvTrzX"
    "YbqrLWzovFZZcYLm4UjMDjmMFdCTSfCVqMBiHAyipY0hmpgL_iiC2Btop6aBi7-wB2OZGQHMn6f692szsPaMu-lXLZt6lrhQqFNmyY4-tFC7jz"
    "pB3LLJ4KVK-OeqaaF_B9hTtW0eGVTYeQvrNFBz_FA5THfRo", "signature"},
  {"RS256 called PS256",
    "eyJhbGciOiAiUFMyNTYiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgI"
    "nN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImd"
    "yb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.A-UFhMo2sjBjXv52XKdMmZutQ9mHRZ4FYgpBW-PRkhYmhwr4NMZPas-K3Iu0OO7cGPGbgvCseLmU"
    "lOLTzBVYs9mlIB8IEsGMRShkPLamw_13V5fjPys3yst4LgCy2N-X1WGzzPOSKWASWZ0Q3WTIyYUjgj7WBl2F_Qn9RRy68IRY1RBCsD4yMxLZhy"
    "MrIqcttBf8rFR-EMIT8p9v9l2pfHSDzx53hxo2tEbFWPh8DchE5Lneu4aFo6CzG1t8KfPEwNJvACthVXFI26ZaJfLpiUElj5QwdcqjMASyWCpR"
    "4XXl2077w0uplzeSBNFQFIHxsZEzMYJAmE6rSOw6lsW8oQ", "signature"},
  {"PS256 called RS256",
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgI"
    "nN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImd"
    "yb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.eLk19QH99Jo974EgEAvGJx8sooS6aXoZP2qYLOdmikhZ3hVX1h678otsOtRaomRpIaogOYLSBy84"
    "ALMEkoH894V70a-tPLIqJC8DlBRHaMgJyd8YgmTcCwFwivBRzXlccfr9puk-K-HpaT0Y2qejQc1x2JUWK3t76e25O_IVNQcJ4F8PdViHgy_MfS"
    "P9oEs9eRFDeEdbU1FxYPSwotTIUwLNosFof7XPmvn83fXKDzhw2WlhoLSYr5vyy5B4By8vPO5Pv7qWj6zaSsL0RhBqzXRYZ53xyjf-Q8znO0q4"
    "93g39D7uPBP1eUTvlDH4RDSrKSAWNoVyPjNShAAk1I7EVw", "signature"},
  {"RS256 called RS512",
    "eyJhbGciOiAiUlM1MTIiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgI"
    "nN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImd"
    "yb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.NSpqDNK8UQ82adnuTnZqJOZmNHot4QVGO8VpUzB3NpbLUOKTUd91r_Kp8Gsa3k2apfUGTswIBBxn"
    "YYPtMfx6YQa5lq3KYroOdaEx3B2Hd6RRSwJmMsH40Y9QBA_3MdzvrhwbdqM1jW6UExxpRjT8Y2W58LpSTXsL8dlSj_ses0ZLS-M0qRUvj_rNX-"
    "kJda9481d3uU66SPJfHvUjpL5hQ6Y5V3uLq5S03gdI7wgeWap3cQJFFvYaDkjcYgfauW-1x-n0fWwJ7yr3O7osAbLcTfrzbsGdxyt9sZoeuJWI"
    "XRIEUUgtEl43OxnafhKYfcbyXvYgQ68Gc3Oz6pnUcMEc3Q", "signature"},
  {"PS256 by hand",
    "eyJhbGciOiAiUFMyNTYiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgI"
    "nN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImd"
    "yb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.ju-HULJ7HxGxkRfuWzGtHFlFPAqkdSkfqQmVMU0-g56hmM8KapaETZjiGwsmqOx--CBI8lZX-TzV"
    "wudYCTO2rkxQJuZynBFhyngdyTgRUrF60dtoK1SqHNQnRUnZtEhK6rBTyb8mX-IR8YfLSdMWyhx-B9t5y67Y7ZCgQKTA0xQVSsBtXE0F_NGfeW"
    "P7fIvWs4iaOMi0DFPfIS5pqkF60LHxZT9qyck7I7OWLZbUpNOQ50GOIvOsIN-f9Dr4xS78wT6UtzVHa9dG-pVAqGVz0PIj7Wkuc6oHMVo79USR"
    "Ybw7zIf3IXHHm46vMcSYdDipnBW9X8KClio4oGpoF5omQQ", "none"},
  {"PS256 without salt",
    "eyJhbGciOiAiUFMyNTYiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgI"
    "nN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImd"
    "yb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.NcgA_5ovsPatqdxk54oCGDFjyHLCXTYGYQgsO6eLA5zw5t1D7h4zQJqOLyQ3QCwC6ebG9lwD6wT4"
    "MkH5969nV0OZm--wez6ljnmalF1qfY4e5mJJhbe6WNnUE3b8yJkKsCQ5iXuup2UBpMpA7gt3Jim43lx2wAPjwf0swM1sutkM8k87_OtHxvrgXF"
    "x23SWfw2yqgQG1pGo4VcMTMdR4m2OAHrrnPeY9Sw_8ztHtGL5s0Xj07nA1Tb4wlWr3jn21VA5ZsTySAxZhA75a-nDPdgtbs_LuRxsr5CKyVRD6"
    "4B3NRBfJ1THVk7a0YaOsCpL4dN-TLn0QGi2HfLJZnKfG1w", "signature"},
  {"PS256 with a salt of 20",
    "eyJhbGciOiAiUFMyNTYiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgI"
    "nN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImd"
    "yb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.G0Hfa70JH1UqDb15P40mxblTMefcavMlsIV1YWK7yvZWvF0G45LulVpatDNDEtkdUjIVRadu0kZr"
    "tmIOAQe2Io3foxQY_m_S5xxijC64ou1BTlD-rZwQxRIPpZa8vJw9xPqO1CrzKWi9cV-0FUCZUdK9B_r9bwdpBfLW_y-cy_lEh1zFRUyI4aPShG"
    "pN8HRFEfmIC1f3G4sakclY7dTTWc4rRNEzteMPetzU4dTlkk5Pveq8pAIDKSo0x_ksRqB9YPbhuZoDk3gmicCDOUS7E1wbqHTqKaWvWptAww30"
    "ljoYSwqxsId5lXTje9wkD2gmXW4lUA-cP4Gl50NyWSILNg", "signature"},
  {"PS256 with the longest salt",
    "eyJhbGciOiAiUFMyNTYiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgI"
    "nN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImd"
    "yb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.ouhwxmx8MgtrTfq2R0Hgj_hsO_6odkQPEt0lRPpsYY-1WOkoOnhSyu5CxFuQ8XXhznQ3z2T-FL-R"
    "e5CWtC_slcF0p2m9rnejzLA-eaS1_Pi7_GIFphhJz6g17g_i2MkjfF_ePEchd_e5pkEId47RgNitaDqZw-D4sKQM3Wsyp1t_FAssYDHxbqOkNI"
    "I5qP68caMuVRcPTAlkjHp0yv2ikh9KRcBDrwgfzC3-Z6skRQNCwwh9WZUmGp1y79w-kXQwa-0LmpwVbOP31VLcT8dOPQqjKAmQFkTcY56vXCuP"
    "zuLo1vPSjpPgQLDblTIUWzcpuZjVkp_DIICqz7d2QBHAKg", "signature"},
  {"PS256 with another mask",
    "eyJhbGciOiAiUFMyNTYiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgI"
    "nN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImd"
    "yb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.G5K65Y4Z596faOjUhRrIvpSEmbK3AwjXz80UWxomaR0pqNvnCPdjHWa-GuU4HlYrPzhhZm9qeuuU"
    "BZSULejEWh__X88Wk_xb9XfIT4pJkUTxc8kiK8VcPJuShRoQYzW6WPWI4drjStl17QO1K_PRj238iR3ZpQJQpQKPCKqyxlYxWjUPTI1ngrdyCz"
    "JCMSq0d8cl71nHum0svcefrxGltzQB0M9aIXKFcRdSURBxG4njF_X8FAW9Kg4EQXG2Ei58pWtfHkwtTboZ_RZkLtUIzEosLxSbZ7mHvLzqkzr5"
    "JiKemF--QDLwWjStQXGX0E1x1c_sSgHXOwU3QbHf-PoJiw", "signature"},
  {"a stranger's key",
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgI"
    "nN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImd"
    "yb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.YfCtTQ3YbcLeATu6KX26iQt5nfID_qpF_QNpaS9ItIu34iYSXWubvo1pxlB_74HISvqW7V3nPNQc"
    "mChpUadEYUSipZ3mwPWJ-H0ayQm8zea1FZ_e_iXIEZR1MmwC_052HJaWQ27QfLSa6KsbbBe8U1BrBMeuhMpfKiv72kF8ee4TQkA44p0r1m1svn"
    "cd9Wv7W1Z5-xcxYScsQOglTiIG65nmHVue4MDa_c3_WWxXMqzrjrZ_AcxBlMAdfOdXkSSKmJyPwoPeGQujJzoMF-qV3yLQ_SRbTwDC1khRMw1D"
    "O-uyAuJnY86r65FVzHBh_iONRZCvSI7TW4Rj-HnTTodFpg", "signature"},
  {"a stranger's key in jwk",
    "eyJhbGciOiAiUlMyNTYiLCAiandrIjogeyJrdHkiOiAiUlNBIiwgIm4iOiAidlJVWUZzUHIyTkZ3RmNlbVdTejJYMGZmdXhwNTMyWDdWZjRmVj"
    "Y1TTdTZ1VXa1FINDFsbWFldWxYaGhhVnp6dmYyVmJzbVN2anpTVHFHRnhaeVE3a2t6WFJYS1hoQnVxdEhNenlCdUU1cUYzeGREU1BGaXczTldH"
    "a1BoZDg0TFhOb3hDZTNvMkVTb3pOLW1nZlJYaEdkUjNwaWVuTmhVb3paLTBjNHJqSjQ4NEJ2VXUxUFZTbWRlUWR2V3VEYVltTEU0dmMzYWZScE"
    "hmQ19CNmZ6SU5qYnRtbTEzS0lIczZETHA4QUZPeXQxdnNqTlRIM0xRUHRrU0E1UVJrc2ZRSXZiVGhWYmJWeE51R0F4b2k1YkZjRUo5aEUxMVRk"
    "bThVTVFsQlMxY1RXUVlrNFE2b29jR3FKR2VBVkdCeEZ3OG5STFRBTS0teEdqQ1FTdzB0VzNFRWZRIiwgImUiOiAiQVFBQiJ9fQ.eyJpc3MiOiA"
    "iaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgInN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhd"
    "CI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImdyb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.kacFgvbnOFHIwyli7J"
    "j5BLn03n0mUveSWY_ECzKALcRbvOAtE6iyc1NVCyusrNF6z13fP91P7ee6PMKUM2WzL7hBAeYob0b6k62qFbZMSss2w_NNVDhDjnXgYjhhL6zd"
    "1AjbNPAlMvd-1YnoIfUKE9tkcIQF10jsD5VAiTTwwDjkFiS5qoP8g0o399MHqsRrX-yFMjnp-XogeV9KSsVsBkAUKLjodBxOliL1XzPIvuFcXM"
    "hKl5McY6XXeExnEN4OMS3tuvILRrlDvj3BaBxkX_0uuUu2QysXRv3uByokKSo7GrqGY9_abN_yTLknTVMujk1xPwajozvVv0RyiZaavg", "signature"},
  {"a stranger's key in jwk with a kid",
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogInJzYSIsICJqd2siOiB7Imt0eSI6ICJSU0EiLCAibiI6ICJ2UlVZRnNQcjJORndGY2VtV1N6MlgwZm"
    "Z1eHA1MzJYN1ZmNGZWNjVNN1NnVVdrUUg0MWxtYWV1bFhoaGFWenp2ZjJWYnNtU3ZqelNUcUdGeFp5UTdra3pYUlhLWGhCdXF0SE16eUJ1RTVx"
    "RjN4ZERTUEZpdzNOV0drUGhkODRMWE5veENlM28yRVNvek4tbWdmUlhoR2RSM3BpZW5OaFVvelotMGM0cmpKNDg0QnZVdTFQVlNtZGVRZHZXdU"
    "RhWW1MRTR2YzNhZlJwSGZDX0I2ZnpJTmpidG1tMTNLSUhzNkRMcDhBRk95dDF2c2pOVEgzTFFQdGtTQTVRUmtzZlFJdmJUaFZiYlZ4TnVHQXhv"
    "aTViRmNFSjloRTExVGRtOFVNUWxCUzFjVFdRWWs0UTZvb2NHcUpHZUFWR0J4Rnc4blJMVEFNLS14R2pDUVN3MHRXM0VFZlEiLCAiZSI6ICJBUU"
    "FCIn19.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgInN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTc"
    "wMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImdyb3VwcyI6IFsic3RhZmYiLCAib3BzIl19."
    "tOyVKnYJgxcMCriQryHfqTEHAlBdW8MQg7oNBLXxhBJCqKM9rFFSPboqlRtl5uDSlhg8aqpWOvRvNkgaQcSCbXsRW1O0ZJyf2LQ0oMeuMbgi6s"
    "9rCL-tNDUVZsWpJzE_Ds9keID99c259UuT1EsbHVI753N9VG0KAvz6IdW07Bb9BVbYAdcDk9eZ1FuvilwfvkV9OjZibc99X-Lfqi6VmDXX_6gn"
    "vfVuYt0EIDy_KIb88AZW2RoJz8FTNNwp-DujBHPCQ3xTCTAEL4siVIL2FOcl2LA7X0kqSn8D1FhsEazpvV4ILiNitpB2FnDl5Ky2Hc3IteMzln"
    "0swSGLSMe9lA", "signature"},
  {"a stranger's key in jwk with its kid",
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogIngiLCAiandrIjogeyJrdHkiOiAiUlNBIiwgIm4iOiAidlJVWUZzUHIyTkZ3RmNlbVdTejJYMGZmdX"
    "hwNTMyWDdWZjRmVjY1TTdTZ1VXa1FINDFsbWFldWxYaGhhVnp6dmYyVmJzbVN2anpTVHFHRnhaeVE3a2t6WFJYS1hoQnVxdEhNenlCdUU1cUYz"
    "eGREU1BGaXczTldHa1BoZDg0TFhOb3hDZTNvMkVTb3pOLW1nZlJYaEdkUjNwaWVuTmhVb3paLTBjNHJqSjQ4NEJ2VXUxUFZTbWRlUWR2V3VEYV"
    "ltTEU0dmMzYWZScEhmQ19CNmZ6SU5qYnRtbTEzS0lIczZETHA4QUZPeXQxdnNqTlRIM0xRUHRrU0E1UVJrc2ZRSXZiVGhWYmJWeE51R0F4b2k1"
    "YkZjRUo5aEUxMVRkbThVTVFsQlMxY1RXUVlrNFE2b29jR3FKR2VBVkdCeEZ3OG5STFRBTS0teEdqQ1FTdzB0VzNFRWZRIiwgImUiOiAiQVFBQi"
    "IsICJraWQiOiAieCJ9fQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgInN1YiI6ICJ1c2VyLTEiL"
    "CAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImdyb3VwcyI6IFsic3RhZmY"
    "iLCAib3BzIl19.Qo-g20AE-mnN09L3EjTwmQkxrELrqXTtqLv0QCA-0H84FxCBVJrVtvhTtGT_dGLQgNL81xz6BQIHjhDMwDvtFN6tLjCbmNhT"
    "2MxgGayRZj_RwTzNL3hCryK4tbDxBl02ozRrPhTrKEsSrUFmOuPbqH9goTjI-F2M6eYBykBsAkw_4g1u9ULc2gqYuhDGAAOISqNH7tiBL5jYNA"
    "W_plB8YYH6_egWm4RVmgwJ-N76XBgWXJhP8YRRxhrcDuZGKOHq97w-ZGLMPmCaBiwUZxpdzjDS-5QIo8DeVYdXO6bIauDUAiM5pnqxIqq2PYNH"
    "Zdiy7MJt5GLGye48CToPujHkCg", "unknown_key"},
  {"jku",
    "eyJhbGciOiAiUlMyNTYiLCAiamt1IjogImh0dHA6Ly8xMjcuMC4wLjE6MS9rZXlzIn0.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZS"
    "IsICJhdWQiOiAiY2FyZGVhIiwgInN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6"
    "ICJhQGV4YW1wbGUuY29tIiwgImdyb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.fRjQk3kmfM38T3VjDIImrF_M4AHuwN9SUi6JFyyLmrzvu67LX"
    "K0fGOZH46wCQxnIOonj8JvEinei3j86Zy9w1CDah3aFbd1g48_ioNJKyXfBmXHCgip6a4s8YLpjLbTiDhSduLua9m-rhvV0K-31Ta-WolBq9Ko"
    "YUbr-IwVEs65TcAa19QiAefeZ9_v-uxvttXjVswuPovSd6QXuCSzvkj9k3b2ndYU4AYAw-XR7zSAzUMsLX3IQEYB-D6p5N3OtuiWx4lfD5tDY3"
    "HDEjvK04Ym__jW8w2f-15U3fJPhLSeoqsjoRXy7UHSuITPDlUiI2jdsW8x62aiDqDP78KDTjA", "signature"},
  {"x5u",
    "eyJhbGciOiAiUlMyNTYiLCAieDV1IjogImh0dHA6Ly8xMjcuMC4wLjE6MS9jaGFpbiJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZ"
    "SIsICJhdWQiOiAiY2FyZGVhIiwgInN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI"
    "6ICJhQGV4YW1wbGUuY29tIiwgImdyb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.gd7dlSDsdXYc0LeKmSxmmleY5CdTd4JmlH1DpXWcSX_KVnth"
    "A0fARAuZTUZw4-1t_2tOrgJa3v927wFeGl58ZzxQ-ZNzQmK9VIIcNQFtC0-kUByqLJlXeAt9BCxAl-ByE_W8BmoPQWV0tOJXYkroewr9fctCiv"
    "ulajg3tH74g0bHVjTw50rzsrGmUvqhwGoSV-aVhFGbbry575IDWM3ffISwYhGST2p8bKVhy8yNX2OPW5xEUZDg5-UkJ_jIlMJMZWqLXG-axEhv"
    "XANKEa8xmWR7RndZsy_iovXmz7MZNuBkcOq40JWFCDjwlKl1e7It4L2h3efIypGsK8GZyrm-4A", "signature"},
  {"x5c",
    "eyJhbGciOiAiUlMyNTYiLCAieDVjIjogWyJNSUlCSWpBTkJna3Foa2lHOXcwQkFRRUZBQU9DQVE4QU1JSUJDZ0tDQVFFQXpMbHlmck9KamNaS3"
    "ZUOTJCK0ZOb0VXL29Lb1RFaEwzTjlBNXpQY05WblpjQkoya0toUWFneHdvdTNvNE8zWlN6ZjFWcHVkaHpkNlZONEhtZVNhMHB4c0hDWE50ZU8w"
    "SG16QnlvQ2pmZ25XRzFTVG1XcGNSSlRCaEVwYkd4Z2lPQmtKRlNZSHhpVFhyNjBuRTBNM1VVT1d6b1Y4YzZOSXYxSXhTOXFQWk5qSGk0dkxnU0"
    "xtc3EybDdzTzlzeXpoL2NQOThISmMrSWc0czkrejVwS08yU2pWaTZSTC9wL3VzYUdzK1hpZE5JQU1lNmhRNW5uY1F1OXRHTzV3TjBnbmV2T3hz"
    "S29ZWU9ybVpZb2Y3MmdMZk1YNFJpUGphbHRSckVkQlFjdFZWTHFYVE84NkcwQTdBN0g0YlVPNmEwM2lRczRVR3A0T0xLT1F2aWswMmJIT3pvUU"
    "lEQVFBQiJdfQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgInN1YiI6ICJ1c2VyLTEiLCAiZXhwI"
    "jogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImdyb3VwcyI6IFsic3RhZmYiLCAib3B"
    "zIl19.NHFrfz8FpqyIkhVV7A9fks9O5Ju2kS0sNgZOByhrNOXynAYKyAeAoe1DCFvqej4_yPHnhnhRqqCohlO2HNfSOiJ2c2XsQ1m_PidwiYRd"
    "kQqXOmUp11JKGEe82VCWX96jSjWTAi93sVfwEhbw71WsnRvYxvWNFgUdHpbCRCgqpqFJOfs2mV02LvrQie7xlMMsITQQloxQkdArYJfnwHh06J"
    "vH8BK8ihFRG8l35mzwTp19xwFH453SA5P8KqwSwv25pEBlhyHYPjcv98TDrYueswCAbXOVNfiS3rQqlheFObnk3T-vfbCxVZV_SbPVPBGRit6C"
    "MKrRW6s1K9pDB8MkGQ", "signature"},
  {"jku, jwk, x5u and x5c are ignored",
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogInJzYSIsICJqa3UiOiAiaHR0cDovLzEyNy4wLjAuMToxLyIsICJqd2siOiB7Imt0eSI6ICJSU0EiLC"
    "AibiI6ICJ2UlVZRnNQcjJORndGY2VtV1N6MlgwZmZ1eHA1MzJYN1ZmNGZWNjVNN1NnVVdrUUg0MWxtYWV1bFhoaGFWenp2ZjJWYnNtU3ZqelNU"
    "cUdGeFp5UTdra3pYUlhLWGhCdXF0SE16eUJ1RTVxRjN4ZERTUEZpdzNOV0drUGhkODRMWE5veENlM28yRVNvek4tbWdmUlhoR2RSM3BpZW5OaF"
    "VvelotMGM0cmpKNDg0QnZVdTFQVlNtZGVRZHZXdURhWW1MRTR2YzNhZlJwSGZDX0I2ZnpJTmpidG1tMTNLSUhzNkRMcDhBRk95dDF2c2pOVEgz"
    "TFFQdGtTQTVRUmtzZlFJdmJUaFZiYlZ4TnVHQXhvaTViRmNFSjloRTExVGRtOFVNUWxCUzFjVFdRWWs0UTZvb2NHcUpHZUFWR0J4Rnc4blJMVE"
    "FNLS14R2pDUVN3MHRXM0VFZlEiLCAiZSI6ICJBUUFCIn0sICJ4NXUiOiAiIiwgIng1YyI6IFtdfQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZ"
    "XhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgInN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJ"
    "lbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImdyb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.wAiWuW94WpyoVPUNXYhe2WxY-iuED8dhuj116lXK"
    "jGgi5EefIcQ33M4umtUm5rg6hrZ71mAdwjpiYXNwZZnmWWtxeJ4BaINcwj9eBZOfrqRKYMhnJQuspEMakkcBkINS3PGf1lt39y0NAbA39IyG8M"
    "B8-iPBC2bN5VqLMM-LEYgCHtxHV-Z2fsgIVbYFY6YCqB3wyih8Ikmlv8Xchxx1HKejXpcYsTR5R0n8ZRHUio0XenSwHTja9p1Q-qSVDit-jQgV"
    "e4DUsQkhkoCMsmD5CMBO1Vp0R7jb8oz-uro-qR--BJZ4ALNBeZRYrvMCWYA5HGxiYYA7qvFeHZ8uvibfVw", "none"},
  {"kid '../../../../dev/null'",
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogIi4uLy4uLy4uLy4uL2Rldi9udWxsIn0.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsIC"
    "JhdWQiOiAiY2FyZGVhIiwgInN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJh"
    "QGV4YW1wbGUuY29tIiwgImdyb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.cHijBUITJZ9Coj7dorP74wqB5S2j3r7MlUd0t5hUKNxPbUMk0wV88"
    "w3S3Y6jxmBghSq-iSwS5hgDZU_fWlM5HKNgvMsLyz2CP4CZ7PkvTIoxke535EP6cJQSU1Ox4LLQr2tg4FyW7XjObh_sCR2kDISlNZs2Ckv3gme"
    "pcBKD2AaHGjvG2hQ_I6FbuHoI9IWEGqsW6I7GLO9Rb9s3yoqlz32XFpJzobXBq8rEq2YLOUIgNuGYiN31sWfZDCW8EMjwDIg6sxEkecZ9HRLOl"
    "W7pM8-bpjxmmjtMcmHvyMM9D7u_lhp2pfR1qD4zuAs23L9oncHjwJbrEN2UV8Y9uhfx2w", "unknown_key"},
  {"kid \"x' UNION SELECT 'key\"",
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogIngnIFVOSU9OIFNFTEVDVCAna2V5In0.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsIC"
    "JhdWQiOiAiY2FyZGVhIiwgInN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJh"
    "QGV4YW1wbGUuY29tIiwgImdyb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.H-FUOGhoy7D_5cLPJDyF3qqZpVK_dvvt4XcRcZ6VbhWmvhne1qCCN"
    "DwKZENy3c0itsw2s3NrZZEVMdQAebk9hZjJY3_QEWv7EWMA8vnfxHNvEck7a3H0aoIIIHXzoQqXbRXzibVR7M-KElIZvD-mkecbjTV_SKhihSt"
    "MIIO1JYnKgQsV2i53wDLEU8NlRdT3HHwEG14CdjEkA1LWtgSg61_x1oMVEsG-Hmh-RNTgYIocIcRwlaJ74cKRsmZjUKZs-leIU-U-cS4Ss1i6n"
    "wy5ticnyJvq4l_NeSV4v5W3CDqqJTUfhDXQ501Dbf_Lu_72eZojfv6uidhraG5u07GuUw", "unknown_key"},
  {"kid 'rsa\\x00'",
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogInJzYVx1MDAwMCJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZ"
    "GVhIiwgInN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29"
    "tIiwgImdyb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.Hz9don5HjzMqrN3yZPrfHKaJJV9n0L31HRZ8ZnifplNQ9aYhIseyc1kNYEShhjdN2pHv"
    "v9Z-4eXH7uzbozNKyTiYQ5CTQyjDnuQpKsxUvo5PQyxVx-ZhjemG4FXrADXApFkM_2miYwd8-n0V5H5gKL2FDy8u5mO8wki_poipeBjMqsetPL"
    "1uluqC6CJMVN1h34d7Jy3DY0CzvWDFwdVJsmERaBZXBL_n5p59-JgoxquoBCoRRLkcU8hFOmptUknjsOTy9adkXdEeyvp6wpKMUiDhUDh-efEU"
    "AyoLqvyoDG0yFlVT6LHVi13yHBBlbHuo-Jq0EcaNbGrWyawKFfBOaQ", "malformed"},
  {"kid 'RSA'",
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogIlJTQSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgI"
    "nN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImd"
    "yb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.rh3JAhRoxYogGmUIMkUxm-HKLNwS0e3eRNZ1dXARx9-nh_9iz4Q67y8G-AmaKb3HCsKRqg6BauGF"
    "UNNjWPq6oxkfUKYafRL71OVpwF6G1cknGVKgSL5l5xlNun6WOsFGHNXd31zTSFr7gmie50J1nuNqwo_i976fAHtAZRQMG6v9hfgeuhr39SYCcm"
    "4TAmqtUpt7YxL4IJDhHpiUDEXAZvG78pNkbtrGdArOhJfPmQn5UqQVEkaYTR1Pz0lHf2TBgj8LPNg5blVOWeSgcYq03MN5mdsXOzLGtJFW4Fp1"
    "RnbkAEQg2mww_2i0pYTiwiby_0MBkKSA-eI50FH8D-cIeg", "unknown_key"},
  {"kid 'rsa '",
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogInJzYSAifQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiw"
    "gInN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgI"
    "mdyb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.EqPByBK2BCeGQNRGxy_E9qmazt1oRQzSSAtYpFR6UAlAG8k66lpsi3WhjL-zRwPW2PQ3VhT8lQ"
    "09foA5jmrc5cNfm3C8ccILbCX1M05ANsh_EMokNYshSPEI92xe7L5Ds1Xefd29JCWTbw4wcP5VJR1wmgZ56w9R_H8P51yo_RhjB88shPWzLcLC"
    "mYT5Tc4G7IFXtE9b_sZj844oGwZv_GKawr99tmR0GG7CDlhJRbFccADYkghqVr0EpQpDj9y58rA3noOoIJzb-yrG-qxqCD7eVw3wVbiy4fLW2g"
    "450hq0TuHiMXN80pI-rEKD53_5mSwNdUkDQrzW9SS3SH2Iqg", "unknown_key"},
  {"kid ''",
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogIiJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgInN1Y"
    "iI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImdyb3V"
    "wcyI6IFsic3RhZmYiLCAib3BzIl19.apxBUufCBTG06BJROc5VeahKNH7RjHlY6fsfSXkxCwc3I2aS3rlol1eGUmBrY0Jg4qc9oJS5KckRFKzI"
    "qIIYuRJU2WqA7vjTkOl-XQef0fhK-K_9G4J6NW_xBefR2rUyodBj-AX_ucQZS8vhp_jH610vOt69gdl7BMY0OBOcXJDVqsot6iLtLCIQYQZ_ie"
    "ayRsQZBivQrBm6FcBLloXoNPL75m06heA5gwOKaYxeQeuvyul-umXQSfHuG7dB1m-OsD7flW0eccsMX1nn-E5g780EaDA_m1UGKWihvHk6iXqz"
    "3ef_SRPR_Uk-VXFp5KGl-CftRKGRYvf-6FLoCQ3ByA", "unknown_key"},
  {"kid '|/bin/true'",
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogInwvYmluL3RydWUifQ.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2F"
    "yZGVhIiwgInN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY"
    "29tIiwgImdyb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.O9yayyVl29HHGrUB5UpAPeUMznmbpefoZ5jC1xA1a4TjXZQApX222Xc1ODUQAx5YvX"
    "GhYabKELaj9xWxAULTQdaLAoLqo3LSCjgwMxIj8aOjAOyD-wEvb-5MPtInJ0rW3VzF2s2yKat1MaXSbpBgQ6gY9f53TEMSXavMaLbyFr2OehjG"
    "X3y7a4mzW4_HaQXLb1hLNyrGhO0kZYmnYvvLtgkNFcnZR_sypr2Y_oWy-bxV7ymG5jmrzgTdg7PqbR4RGqMzSivyzUF97E9oTeROs0Y6kQculV"
    "U3tB4951qZ6JtEfIhj4-pDD-JmTbw47cuRX0wUExZH-FQdVMTp-raIiw", "unknown_key"},
  {"kid \"rsa'--\"",
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogInJzYSctLSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhI"
    "iwgInN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiw"
    "gImdyb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.XIrvsZ8JpsRlDeSOK6T7JZ27LAiawrH4kznZn9PEkyEFJ_Vu8LPSccCixitVk4WXXe2EAzN9"
    "DreL7F6BYqaZ6fmicKs9FnHtSFDcmuYU69cOFI1fAlhpx8ab8IEG1cHJR2hD22AA6IEqgVukcs90mgcH1LCtfAcUrTo3B-X918mbq2_ItBCMBP"
    "OOc3AE7gtxg8LgwyLe3K8la9mXZXRnxFJDlZ49b-lJ92j3s0cFw6cuQrr5mPCN-Pphsqiyno3o32P6C7s8OUQy-_UhOulJIjzRE05lK3zWc02S"
    "hE7pX2__zUfatoMsykkDX1edYEDkJnodyUWTgb0Z7soQ1z2XKg", "unknown_key"},
  {"kid 1",
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogMX0.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgInN1Yi"
    "I6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImdyb3Vw"
    "cyI6IFsic3RhZmYiLCAib3BzIl19.Mv5DcliRyERxSqoPOhSlKabbkld2DgaomGtq1mrJZ4Ykl5UKEDetLk9gIiUdWYoRDTTDBNzEdfbImY2kd"
    "tdISAhON7Vhs_KE-Rrkmljxax7e1DD9H9zI37vNm6i3l_x5OfScAGjbB0AMUdSMcmJkfG0IR39QbneLrrdTFLBj6UOj31Vk5WthOHAB0DPHCDk"
    "Ik6VlJDoyms-xencY_PTmQNB2kmlejzJmGa9AG_7060HVmDnzbXNIhx9DdiTFUi1uSxD_Ddjhoaa5aJwYKM1j8oZn4b80W8svMQF2aqCPEEFsJ"
    "uJoHBMB12Z030N4SK6iqwS5qLQzKL23CkTdE9zgyA", "malformed"},
  {"kid null",
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogbnVsbH0.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgIn"
    "N1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImdy"
    "b3VwcyI6IFsic3RhZmYiLCAib3BzIl19.R4tt7O5BM9GxZtHudNGzGsQY6efpZ97BsnpEOOPmtqYWZ1s31N_e4O1MYd8tZv9e5iFtWxPZwyXet"
    "H3B3VLQUCnEk9OT09uNYfXu4eg6U0l6l-Y0Tcum7iEUDSoxjF_Gk1QV7cVXW7BJMedozXYSkxphZMArG8EH1F9c1y8C_XKn8U3YEhw8xbrnRJL"
    "wme6R5FL01gxllokLIhZd4IkPXvBD1v1iNLmbo3ZYqFghNHjyBBghJKAiJbBD6z7LVo4c2xnXZuu966H5Rn3zOe1bKCjy3QTiA7ZO1nM22dDHL"
    "2hcxcmn5xt0Ub8gvAS-UxGDio2sFVbc7KrcKwUQf9HZfw", "malformed"},
  {"kid true",
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogdHJ1ZX0.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIiwgIn"
    "N1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwgImdy"
    "b3VwcyI6IFsic3RhZmYiLCAib3BzIl19.eVGyMX0iqjhBopUd_y9q5eiKe7Rb8WXbZLnwEZCMnBVkUnee8edH43-wkEKv250UhIxaRzs5Oix0V"
    "bYlqy3IZlnCerMeh4K4_uGK2Bz6cP5C7gHCs8eaWeOQ2MOTgR_sTn6QUBakigv96xL-9-4hGBQwB_5FSBmWRXHydnItl3CoMtRvoVFfhhvASW7"
    "AQD0wLwn6YKZcqwhdLRy4sWI-a0z5sw68RTpqtI8_2GexIhOc0IX2j8i7OM6WNk5sTvabkJ5B_TcZk1dzG_FmHITAWX2C3H-PbOSjRtp6Qbf1Y"
    "KBObhPxemoWyWq7MMYyKom0PQ_Bkr_LXZtGDL7ZXq9QUQ", "malformed"},
  {"kid [\"rsa\"]",
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogWyJyc2EiXX0.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY2FyZGVhIi"
    "wgInN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGUuY29tIiwg"
    "Imdyb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.V0Qnxa9pfbwHoy9gSAKXuW43AbwzOP1qhBcgKawp99EStZH52BzAKy6GxeqRTlzsQqsEFhopV"
    "Tn-k47vk3SSPMMKKlQFTu4cAL2mIrGk_2zljM-nFQHAYpHDghBkSbC8HUDFMAySaYdzR7cQv6YQMZ78UhYw1hFzFHM_GatCCeMsX15WshS-9dQ"
    "zXqXfFJgWHKR92Og8FRjl0YQbGRXuJIUqyoj42zGRgs5xfxsZwXS2Fe0OCAEUCEEPGPGDzOs9P2QqxnpcPCCrUUJgZ7KPeAk-YtKWma-xiHwoZ"
    "45fS3BFWwqxD5lLkJgb1XccNnwIpdq4aRBE9cxmPvh4X09CKg", "malformed"},
  {"kid {\"kid\": \"rsa\"}",
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogeyJraWQiOiAicnNhIn19.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAiY"
    "2FyZGVhIiwgInN1YiI6ICJ1c2VyLTEiLCAiZXhwIjogMTcwMDAwMDYwMCwgImlhdCI6IDE2OTk5OTk5OTAsICJlbWFpbCI6ICJhQGV4YW1wbGU"
    "uY29tIiwgImdyb3VwcyI6IFsic3RhZmYiLCAib3BzIl19.NUZJsKuGNuUxEB82K9IxwEu-n1ChyrYpU0cJGxvL9Tm6GwvNF4FicVB-OgG7rXW1"
    "iFcosxRnNcnUZhjvX5lUA8D9BTRkixJsujkRl0P6qlryWe-TglHmhZx8L0g9tJbNTUcNobk873JD2CfWdL0f7buVo7CsVTJkFcUToHrE8E3R4i"
    "IKsaOHNcL732RCTzmmjUiIrF2nsS40lIvLVsHWNpaBrVg84HAGsDC4hEnUj6vkweAAfWFzX6GmPpxZUjI9ybNd2metG1VvJpi_xZWyZpEYnsL6"
    "S32MKqi0FQ1biiENC6X6AORgsAZYsj2_6j3nlze2yMzQ-5eJWLmcN7Tzlw", "malformed"},
};
// clang-format on
